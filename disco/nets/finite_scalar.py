"""A quantised bottleneck without codebooks: few numbers, each rounded to few levels (Mentzer et al. 2023)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

_EDGE = 1e-3  # so that the outermost levels are reached by finite numbers


class FiniteScalar(nn.Module):
    """Rounds each of its numbers to one of so many levels from -1 to 1; gradients pass as if it did not.

    All it lets through is log2 of the product of the levels, in bits per vector. Nothing collapses, and
    there is no loss besides (Mentzer et al. 2023, arXiv 2309.15505, appendix A).

    Args:
        levels: of each number; 2 at least.
    """

    levels: Tensor

    def __init__(self, *, levels: Sequence[int]) -> None:
        super().__init__()
        if not levels or min(levels) < 2:
            raise ValueError(f"every number needs two levels at least, not {list(levels)}")
        self.register_buffer("levels", torch.tensor(list(levels)), persistent=False)

    @property
    def bits(self) -> float:
        """What it lets through per vector."""
        return math.log2(math.prod(self.levels.tolist()))

    def forward(self, x: Float[Tensor, "*b n"]) -> Float[Tensor, "*b n"]:
        """Return the rounded numbers."""
        bounded = self._bounded(x)
        rounded = bounded + (bounded.round() - bounded).detach()
        return (rounded / (self.levels // 2)).to(x.dtype)

    def codes(self, x: Float[Tensor, "*b n"]) -> Int[Tensor, "*b n"]:
        """Return which level each number falls on, from 0."""
        return (self._bounded(x).round() + self.levels // 2).long()

    def _bounded(self, x: Float[Tensor, "*b n"]) -> Float[Tensor, "*b n"]:
        half = (self.levels - 1) * (1 + _EDGE) / 2
        offset = torch.where(self.levels % 2 == 0, 0.5, 0.0)
        return (x + (offset / half).atanh()).tanh() * half - offset
