"""Selective training: only some layers of the base move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Literal

from torch import nn

from disco.adapters.site_adapter import SiteAdapter
from disco.adapters.sites import find_layers
from disco.core.module import GenerativeModule
from disco.core.ranges import NaturalInt
from disco.core.sites import LAYERS
from disco.errors import DiscoError


class Selective(SiteAdapter):
    """Moves the weights at its sites and freezes all others; inserts nothing.

    Args:
        sites: names of places that the model knows; layers: which of them.
        also: glob patterns over parameter names, for what has no site ("*norm*", "decoder.layers.5.*").
        recount: see `SiteAdapter`; seed: unused, nothing is random.
    """

    kind: ClassVar[str] = LAYERS
    wants: ClassVar[str] = "such layer"

    def __init__(
        self,
        *,
        sites: Sequence[str] | Literal["default"],
        layers: Sequence[int | str] | None,
        also: Sequence[str],
        recount: bool,
        seed: NaturalInt,
    ) -> None:
        super().__init__(sites=sites, layers=layers, recount=recount, seed=seed)
        self.also = tuple(also)

    def insert(self, module: GenerativeModule) -> None:
        """Insert nothing."""

    def moving(self, module: GenerativeModule, base: set[int]) -> list[nn.Parameter]:
        """Return the parameters at the sites and those that a pattern names.

        Raises:
            DiscoError: a pattern names nothing.
        """
        names = find_layers(module, self.sites, self.layers, lambda part: True)
        chosen = [p for name in names for p in module.get_submodule(name).parameters()]
        for pattern in self.also:
            found = [p for name, p in module.named_parameters() if fnmatchcase(name, pattern)]
            if not found:
                raise DiscoError(
                    f"adapter.also: '{pattern}' names no parameter of this model", do="leave it out"
                )
            chosen += found
        return chosen

    def description(self) -> Mapping[str, Any]:
        """Return its own settings: PEFT has no adapter of this kind."""
        return {"peft_type": "SELECTIVE", "also": list(self.also)}
