"""Prefix tuning: learned keys and values in every attention of a frozen model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from disco.adapters.site_adapter import SiteAdapter
from disco.adapters.sites import find_layers
from disco.core.module import GenerativeModule
from disco.core.ranges import NaturalInt, PositiveInt
from disco.core.sites import PREFIX
from disco.nets.attention import Attention
from disco.nets.prefix import Prefix


class PrefixTuning(SiteAdapter):
    """Lets every query hear learned vectors too (Li & Liang 2021, arXiv 2101.00190).

    They are heard by an attention of their own behind a gate per head that is shut at first, so that
    training begins at the base (Zhang et al. 2023, LLaMA-Adapter, arXiv 2303.16199).

    Args:
        sites: attentions that the model knows; layers: which of them.
        length: vectors per layer.
        recount: see `SiteAdapter`; seed: of the vectors.
    """

    kind: ClassVar[str] = PREFIX
    wants: ClassVar[str] = "attention for a prefix"
    mergeable: ClassVar[bool] = False

    def __init__(
        self,
        *,
        sites: Sequence[str] | Literal["default"],
        layers: Sequence[int | str] | None,
        length: PositiveInt,
        recount: bool,
        seed: NaturalInt,
    ) -> None:
        super().__init__(sites=sites, layers=layers, recount=recount, seed=seed)
        self.length = length

    def insert(self, module: GenerativeModule) -> None:
        """Put the vectors in."""
        for name in find_layers(module, self.sites, self.layers, lambda part: isinstance(part, Attention)):
            attention = module.get_submodule(name)
            assert isinstance(attention, Attention), "found as one"
            width = attention.head_width
            prefix = Prefix(
                heads=attention.heads, head_width=width, length=self.length, inner=attention.prefix
            )
            attention.prefix = prefix
            self.inserted.append(prefix)

    def description(self) -> Mapping[str, Any]:
        """Return a `PrefixTuningConfig`'s words; the gates are our own."""
        return {"peft_type": "PREFIX_TUNING", "num_virtual_tokens": self.length, "gated": True}
