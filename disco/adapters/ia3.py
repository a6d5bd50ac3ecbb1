"""(IA)³: learned factors on what layers say, through peft."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from torch import nn

from disco.adapters.peft_layers import fold_layers, insert, plain_config
from disco.adapters.site_adapter import SiteAdapter
from disco.adapters.sites import find_layers
from disco.core.module import GenerativeModule
from disco.core.ranges import NaturalInt
from disco.core.sites import FACTORS
from disco.errors import DiscoError

if TYPE_CHECKING:
    from peft import PeftConfig


class IA3(SiteAdapter):
    """Multiplies what layers say by a learned factor per channel, 1 at first (Liu et al. 2022, 2205.05638).

    Args:
        sites: names of places that the model knows; layers: which of them.
        before: those of the sites where the input is multiplied instead, as after a feed-forward's bend.
        recount: see `SiteAdapter`; seed: unused, nothing is random.
    """

    kind: ClassVar[str] = FACTORS
    wants: ClassVar[str] = "linear layer for a factor"

    def __init__(
        self,
        *,
        sites: Sequence[str] | Literal["default"],
        layers: Sequence[int | str] | None,
        before: Sequence[str],
        recount: bool,
        seed: NaturalInt,
    ) -> None:
        super().__init__(sites=sites, layers=layers, recount=recount, seed=seed)
        self.before = tuple(before)
        self._config: PeftConfig | None = None
        strangers = sorted(set(before) - set(self.sites or before))
        if strangers:
            raise DiscoError(
                f"adapter.before: '{strangers[0]}' is not among adapter.sites",
                do=f"choose from {', '.join(sites)}",
            )

    def insert(self, module: GenerativeModule) -> None:
        """Put the factors in."""
        from peft import IA3Config

        def linear(part: nn.Module) -> bool:
            return isinstance(part, nn.Linear)

        names = find_layers(module, self.sites, self.layers, linear)
        before = find_layers(module, self.before, self.layers, linear) if self.before else []
        self._config = IA3Config(target_modules=names, feedforward_modules=before)
        insert(self._config, module)

    def fold(self, module: GenerativeModule) -> None:
        """Multiply the weights."""
        fold_layers(module)

    def description(self) -> Mapping[str, Any]:
        """Return an `IA3Config` as a dictionary."""
        return plain_config(self._config)
