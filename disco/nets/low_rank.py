"""A low-rank update of some rows of a weight, where no layer can be wrapped: it is shared, or computed."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


class LowRankRows(nn.Module):
    """A parametrisation: adds `scale · B A` to `rows` of a weight; zero at first.

    Of a convolution a row is all that one of its outputs is made with.

    Args:
        weight: what it will be registered on, a parameter or what other parametrisations make.
        rows: which of its rows are updated.
        rank: inner width.
        scale: factor of the update.
    """

    def __init__(self, weight: Float[Tensor, "o i ..."], *, rows: slice, rank: int, scale: float) -> None:
        super().__init__()
        self.rows = rows
        self.scale = scale
        height = len(range(*rows.indices(weight.shape[0])))
        self.lora_A = nn.Parameter(weight.new_empty(rank, weight[0].numel()))
        self.lora_B = nn.Parameter(weight.new_zeros(height, rank))
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))

    def forward(self, weight: Float[Tensor, "o i ..."]) -> Float[Tensor, "o i ..."]:
        """Return the weight with its rows updated."""
        before, after = weight[: self.rows.start], weight[self.rows.stop :]
        old = weight[self.rows]
        updated = old + (self.scale * self.lora_B @ self.lora_A).view_as(old)
        return torch.cat([before, updated, after])
