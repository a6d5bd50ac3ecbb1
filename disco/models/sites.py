"""Where adapters may go in a model that holds a `Decoder`: site names to regexes over submodule names."""

from collections.abc import Mapping

SITES: Mapping[str, str] = {
    **{name: rf"decoder\.layers\.\d+\.attention\.{name}" for name in ("query", "key", "value", "out")},
    **{
        f"cross_{name}": rf"decoder\.layers\.\d+\.cross_attention\.{name}"
        for name in ("query", "key", "value", "out")
    },
    "ffn_in": r"decoder\.layers\.\d+\.ffn_in",
    "ffn_out": r"decoder\.layers\.\d+\.ffn_out",
    "head": "head",
    "embedding": "embedding",
}
