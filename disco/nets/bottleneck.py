"""A layer with a narrow detour, for adapters."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class Detoured(nn.Module):
    """A frozen layer and a bottleneck whose answer is added; nothing at first.

    Args:
        base_layer: any layer over the last axis.
        inputs: width that the bottleneck reads.
        outputs: width of the layer's output.
        width: of the bottleneck.
        parallel: read the layer's input instead of its output.
    """

    def __init__(
        self, base_layer: nn.Module, *, inputs: int, outputs: int, width: int, parallel: bool
    ) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.parallel = parallel
        self.strength = 1.0
        self.down = nn.Linear(inputs, width)
        self.up = nn.Linear(width, outputs)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Float[Tensor, "*any into"]) -> Float[Tensor, "*any out"]:
        """Return the layer's output and the detour's."""
        said = self.base_layer(x)
        return said + self.strength * self.up(F.gelu(self.down(x if self.parallel else said)))
