"""Conditions that colour every layer: a scale and a shift per feature (FiLM, Perez et al. 2017)."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class Film(nn.Module):
    """One vector per item to a scale and a shift per layer and feature; at first it changes nothing.

    It has no bias, so that an item that is told nothing is never changed.
    """

    def __init__(self, *, width: int, depth: int) -> None:
        super().__init__()
        self.depth = depth
        self.project = nn.Linear(width, depth * 2 * width, bias=False)
        nn.init.zeros_(self.project.weight)

    def forward(self, said: Float[Tensor, "b d"]) -> Float[Tensor, "b l 2 d"]:
        """Return the scale, less one, and the shift of each layer."""
        return self.project(said).unflatten(-1, (self.depth, 2, -1))


def tint(x: Float[Tensor, "b s d"], film: Float[Tensor, "b 2 d"]) -> Float[Tensor, "b s d"]:
    """Scale and shift the steps of each item."""
    return x * (1 + film[:, :1]) + film[:, 1:]


def pool(said: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"]) -> Float[Tensor, "b d"]:
    """Average the vectors that count; nothing where none does."""
    counts = mask[..., None].to(said.dtype)
    return torch.where(mask[..., None], said, 0.0).sum(1) / counts.sum(1).clamp(min=1)
