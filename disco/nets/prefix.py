"""Learned keys and values that every query of a frozen attention also hears."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class Prefix(nn.Module):
    """A second, gated attention over learned vectors; the gate is shut at first.

    Args:
        heads: of the attention; head_width: of each.
        length: how many vectors there are.
        inner: another prefix that is heard too.
    """

    def __init__(self, *, heads: int, head_width: int, length: int, inner: Prefix | None) -> None:
        super().__init__()
        self.inner = inner
        self.strength = 1.0
        self.key = nn.Parameter(torch.randn(heads, length, head_width) / head_width**0.5)
        self.value = nn.Parameter(torch.randn(heads, length, head_width) / head_width**0.5)
        self.gate = nn.Parameter(torch.zeros(heads, 1, 1))

    def forward(self, query: Float[Tensor, "b h s e"]) -> Float[Tensor, "b h s e"]:
        """Return what the queries hear in it."""
        size = (len(query), -1, -1, -1)
        key, value = (part.to(query.dtype).expand(size) for part in (self.key, self.value))
        heard = F.scaled_dot_product_attention(query, key, value)
        heard = self.strength * self.gate.tanh().to(query.dtype) * heard
        return heard if self.inner is None else heard + self.inner(query)
