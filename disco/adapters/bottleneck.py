"""Bottleneck adapters: small networks between the layers of a frozen one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from torch import nn

from disco.adapters.site_adapter import SiteAdapter
from disco.adapters.sites import find_layers
from disco.core.module import GenerativeModule
from disco.core.ranges import NaturalInt, PositiveInt
from disco.core.sites import DETOUR
from disco.nets.bottleneck import Detoured


class Bottleneck(SiteAdapter):
    """Adds a narrow network to what sublayers say; the identity at first (Houlsby et al. 2019, 1902.00751).

    Args:
        sites: names of places that the model knows; layers: which of them.
        width: of the narrow network.
        parallel: it reads a layer's input, not its output (He et al. 2022, 2110.04366).
        recount: see `SiteAdapter`; seed: of the half that is random.
    """

    kind: ClassVar[str] = DETOUR
    wants: ClassVar[str] = "linear layer for a bottleneck"
    mergeable: ClassVar[bool] = False

    def __init__(
        self,
        *,
        sites: Sequence[str] | Literal["default"],
        layers: Sequence[int | str] | None,
        width: PositiveInt,
        parallel: bool,
        recount: bool,
        seed: NaturalInt,
    ) -> None:
        super().__init__(sites=sites, layers=layers, recount=recount, seed=seed)
        self.width = width
        self.parallel = parallel

    def insert(self, module: GenerativeModule) -> None:
        """Put the networks in."""
        for name in find_layers(
            module, self.sites, self.layers, lambda part: isinstance(part, nn.Linear | Detoured)
        ):
            layer = module.get_submodule(name)
            plain = _plain(layer)
            inputs = plain.in_features if self.parallel else plain.out_features
            detoured = Detoured(
                layer, inputs=inputs, outputs=plain.out_features, width=self.width, parallel=self.parallel
            )
            parent, _, child = name.rpartition(".")
            setattr(module.get_submodule(parent), child, detoured)
            self.inserted.append(detoured)

    def description(self) -> Mapping[str, Any]:
        """Return its own settings: PEFT has no adapter of this kind."""
        return {"peft_type": "BOTTLENECK", "width": self.width, "parallel": self.parallel}


def _plain(layer: nn.Module) -> nn.Linear:
    while isinstance(layer, Detoured):
        layer = layer.base_layer
    assert isinstance(layer, nn.Linear), "found as one"
    return layer
