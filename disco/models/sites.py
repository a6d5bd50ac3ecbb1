"""Where adapters may go in a model that holds a `Decoder`."""

from collections.abc import Mapping, Sequence

from disco.core.sites import DETOUR, FACTORS, LAYERS, LOW_RANK, PREFIX, PROMPT, Site

BLOCKS = r"decoder\.layers\.\d+"  # what is fetched and freed one by one where weights are sharded

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

DEFAULT_SITES: Mapping[str, Sequence[str]] = {
    LOW_RANK: ("query", "value"),
    FACTORS: ("key", "value", "ffn_out"),
    DETOUR: ("out", "ffn_out"),
    PREFIX: ("attention",),
    PROMPT: ("text",),
    LAYERS: ("ffn_in", "ffn_out"),
}
