"""What all adapters at sites share: the base is frozen, what is inserted moves, and it is told apart."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Protocol

import torch
from torch import nn

from disco.adapters.held import learning_parts
from disco.adapters.sites import default_sites
from disco.core.module import GenerativeModule
from disco.core.ranges import NaturalFloat, NaturalInt
from disco.errors import DiscoError


class Strong(Protocol):
    """An inserted part that can be heard more or less."""

    strength: float


class SiteAdapter(ABC):
    """Puts small trainable parts into a frozen base.

    Args:
        sites: names of places that the model knows ("query", "value", …), or "default": those that it
            names for this kind of adapter.
        layers: numbers of layers, or ranges such as "0-3"; None takes all.
        recount: what the base counted from its data (a token prior) is counted again on the new data and
            saved with the parts.
        seed: of the random parts.
    """

    kind: ClassVar[str]
    wants: ClassVar[str] = "a layer"
    needs_base: ClassVar[bool] = True
    mergeable: ClassVar[bool] = True

    def __init__(
        self,
        *,
        sites: Sequence[str] | Literal["default"],
        layers: Sequence[int | str] | None,
        recount: bool,
        seed: NaturalInt,
    ) -> None:
        self.sites = () if sites == "default" else tuple(sites)
        self.by_default = sites == "default"
        self.layers = layers
        self.recount = recount
        self.seed = seed
        self.inserted: list[Strong] = []

    @abstractmethod
    def insert(self, module: GenerativeModule) -> None:
        """Put the parts in.

        Raises:
            DiscoError: a site is unknown or matches nothing.
        """

    def attach(self, module: GenerativeModule) -> None:
        """Freeze the base and insert the parts.

        Raises:
            DiscoError: nothing was there to adapt.
        """
        if self.by_default:
            self.sites = default_sites(module, self.kind, self.wants)
        base = {id(parameter) for parameter in module.parameters()}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.insert(module)
        moving = {id(parameter) for parameter in self.moving(module, base)}
        if not moving:
            raise DiscoError("adapter.sites: there is nothing to adapt", do="name at least one site")
        objective = {id(parameter) for parameter in module.objective.parameters()}
        for parameter in module.parameters():
            parameter.requires_grad = id(parameter) in moving or id(parameter) in objective
        module.adapted = True
        module.held, module.learning = learning_parts(module, moving & base)
        module.train(module.training)
        module.recounts = self.recount

    def moving(self, module: GenerativeModule, base: set[int]) -> list[nn.Parameter]:
        """Return what training moves: the parameters whose ids were not in the base."""
        return [parameter for parameter in module.parameters() if id(parameter) not in base]

    def merge(self, module: GenerativeModule) -> None:
        """Fold what was learned into the base weights; names are then those of the base again.

        Raises:
            DiscoError: parts of this kind are no change of weights.
        """
        if not self.mergeable:
            raise DiscoError(
                f"adapter={type(self).__name__.lower()} adds parts that no weight of the base can hold",
                do="open the run as it is",
            )
        self.fold(module)
        module.adapted = False
        module.held, module.learning = (), ()
        module.recounts = False

    def fold(self, module: GenerativeModule) -> None:  # noqa: B027  parts that change weights in place need none
        """Change the base's weights to what they and the parts make together, and take the parts out."""

    def strengthen(self, strength: NaturalFloat) -> None:
        """Set how much of what the inserted parts say is heard: 0 nothing, 1 as learnt.

        Only for adapters that cannot be merged; the others are mixed as weights.
        """
        if self.mergeable:
            raise NotImplementedError
        for part in self.inserted:
            part.strength = strength

    @abstractmethod
    def description(self) -> Mapping[str, Any]:
        """Return what `adapter_config.json` says, in PEFT's words where PEFT has this kind."""
