"""Prompt weights: how much each of a few written prompts counts, learned for a domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from disco.adapters.prompt import Reader
from disco.adapters.site_adapter import SiteAdapter
from disco.adapters.sites import find_layers
from disco.core.module import GenerativeModule
from disco.core.ranges import NaturalInt
from disco.core.sites import PROMPT
from disco.core.wordings import stacked
from disco.errors import DiscoError
from disco.nets.soft_prompt import PromptBank


class PromptWeights(SiteAdapter):
    """Puts the weighted mean of written prompts before what the frozen text encoder says.

    One number per prompt moves, and nothing else: a domain is found among words that people can read, and
    `adapter_config.json` tells which of them count. They take attention from the first step on.

    Args:
        sites: conditioners that the model knows; layers: unused, they have none.
        prompts: two or more descriptions, of which some may fit the music.
        recount: see `SiteAdapter`; seed: unused, nothing is drawn.

    Raises:
        DiscoError: fewer than two prompts, or an empty one.
    """

    kind: ClassVar[str] = PROMPT
    wants: ClassVar[str] = "text to prompt"
    mergeable: ClassVar[bool] = False

    def __init__(
        self,
        *,
        sites: Sequence[str] | Literal["default"],
        layers: Sequence[int | str] | None,
        prompts: Sequence[str],
        recount: bool,
        seed: NaturalInt,
    ) -> None:
        super().__init__(sites=sites, layers=layers, recount=recount, seed=seed)
        if len(prompts) < 2 or not all(prompt.strip() for prompt in prompts):
            raise DiscoError("adapter.prompts: there is nothing to weigh", do="give two descriptions or more")
        self.prompts = tuple(prompts)

    def insert(self, module: GenerativeModule) -> None:
        """Put the mixture in."""
        for name in find_layers(module, self.sites, self.layers, lambda part: isinstance(part, Reader)):
            reader = module.get_submodule(name)
            assert isinstance(reader, Reader), "found as one"
            bank, here = stacked([reader.read(prompt) for prompt in self.prompts])
            reader.prompt = PromptBank(bank=bank, here=here, inner=reader.prompt)
            self.inserted.append(reader.prompt)

    def description(self) -> Mapping[str, Any]:
        """Return the prompts, and the share of each in every place where they are heard."""
        banks = [part for part in self.inserted if isinstance(part, PromptBank)]
        return {
            "disco_type": "PROMPT_WEIGHTS",
            "prompts": list(self.prompts),
            "shares": [bank.shares.tolist() for bank in banks],
        }
