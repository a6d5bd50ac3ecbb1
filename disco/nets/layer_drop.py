"""Layers that a training pass does without (LayerDrop: Fan et al. 2020, arXiv 1909.11556)."""

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor


def left_out(depth: int, share: float) -> frozenset[int]:
    """Draw which of `depth` layers a pass leaves out, each by itself; with a share of 0 nothing is drawn."""
    if not share:
        return frozenset()
    return frozenset(torch.nonzero(torch.rand(depth) < share).flatten().tolist())


def must_run() -> bool:
    """Say whether a layer that is left out has to be run: other processes wait for its gradients."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def unheard(before: Float[Tensor, "b s d"], after: Float[Tensor, "b s d"]) -> Float[Tensor, "b s d"]:
    """Return what stood before a layer; all that made `after` gets gradients of 0."""
    return torch.where(torch.zeros((), dtype=torch.bool, device=after.device), after, before)
