"""Prompt tuning: learned vectors in the space of the text encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from disco.adapters.site_adapter import SiteAdapter
from disco.adapters.sites import find_layers
from disco.core.module import GenerativeModule
from disco.core.ranges import NaturalInt, PositiveInt
from disco.core.sites import PROMPT
from disco.nets.soft_prompt import Prompt, SoftPrompt


@runtime_checkable
class Reader(Protocol):
    """A conditioner that reads captions and lets a prompt stand before them."""

    prompt: Prompt | None
    read_width: int

    def read(self, caption: str) -> Float[Tensor, "n e"]:
        """Return a vector per word piece."""
        ...


class PromptTuning(SiteAdapter):
    """Puts learned vectors before what the frozen text encoder says (Lester et al. 2021, arXiv 2104.08691).

    Only these vectors move. They take attention from the first step on, so this adapter alone does not
    start as the base; it starts as the base that reads `start` too.

    Args:
        sites: conditioners that the model knows; layers: unused, they have none.
        length: how many vectors.
        start: words whose encoding the vectors begin with, repeated; "" draws them at random.
        recount: see `SiteAdapter`; seed: of the drawing.
    """

    kind: ClassVar[str] = PROMPT
    wants: ClassVar[str] = "text to prompt"
    mergeable: ClassVar[bool] = False

    def __init__(
        self,
        *,
        sites: Sequence[str] | Literal["default"],
        layers: Sequence[int | str] | None,
        length: PositiveInt,
        start: str,
        recount: bool,
        seed: NaturalInt,
    ) -> None:
        super().__init__(sites=sites, layers=layers, recount=recount, seed=seed)
        self.length = length
        self.start = start

    def insert(self, module: GenerativeModule) -> None:
        """Put the vectors in."""
        for name in find_layers(module, self.sites, self.layers, lambda part: isinstance(part, Reader)):
            reader = module.get_submodule(name)
            assert isinstance(reader, Reader), "found as one"
            reader.prompt = SoftPrompt(start=self._begin(reader), inner=reader.prompt)
            self.inserted.append(reader.prompt)

    def description(self) -> Mapping[str, Any]:
        """Return a `PromptTuningConfig`'s words."""
        return {"peft_type": "PROMPT_TUNING", "num_virtual_tokens": self.length}

    def _begin(self, reader: Reader) -> Float[Tensor, "n e"]:
        if not self.start:
            return torch.randn(self.length, reader.read_width) * 0.5
        words = reader.read(self.start)
        return words.repeat(-(-self.length // len(words)), 1)[: self.length]
