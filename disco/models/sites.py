"""Where adapters may go in a model that holds a `Decoder`."""

from collections.abc import Mapping

from disco.core.sites import Site

SITES: Mapping[str, Site] = {
    "attention": r"decoder\.layers\.\d+\.attention",
    "cross_attention": r"decoder\.layers\.\d+\.cross_attention",
    **{name: rf"decoder\.layers\.\d+\.attention\.{name}" for name in ("query", "key", "value", "out")},
    **{
        f"cross_{name}": rf"decoder\.layers\.\d+\.cross_attention\.{name}"
        for name in ("query", "key", "value", "out")
    },
    "ffn_in": r"decoder\.layers\.\d+\.ffn_in",
    "ffn_out": r"decoder\.layers\.\d+\.ffn_out",
    "norm": r"decoder\.(out_norm|layers\.\d+\.\w+_norm)",
    "layer": r"decoder\.layers\.\d+",
    "head": "head",
    "embedding": "embedding",
    "text": r"conditioners\.text",
    "conditioner": r"conditioners\.\w+",
}
