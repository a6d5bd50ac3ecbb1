"""Learned vectors before what a frozen text encoder says."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class SoftPrompt(nn.Module):
    """Puts the same vectors before every caption, also before those that say nothing.

    Args:
        start: the vectors that training begins with.
        inner: another prompt, which stands behind this one.
    """

    def __init__(self, *, start: Float[Tensor, "n e"], inner: SoftPrompt | None) -> None:
        super().__init__()
        self.inner = inner
        self.strength = 1.0
        self.vectors = nn.Parameter(start.clone())

    def forward(
        self, said: Float[Tensor, "b m e"], mask: Bool[Tensor, "b m"]
    ) -> tuple[Float[Tensor, "b n e"], Bool[Tensor, "b n"]]:
        """Return the longer captions and which vectors count; at strength 0 these do not."""
        if self.inner is not None:
            said, mask = self.inner(said, mask)
        vectors = (self.strength * self.vectors).expand(len(said), -1, -1)
        counts = mask.new_full(vectors.shape[:2], self.strength > 0)
        return torch.cat([vectors, said], 1), torch.cat([counts, mask], 1)
