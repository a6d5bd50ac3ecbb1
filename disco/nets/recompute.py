"""Activations that are cheaper to make again than to keep."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def normed_again(norm: nn.Module, x: Tensor, normed: Tensor) -> Iterator[None]:
    """Within, whoever keeps `normed = norm(x)` for the backward pass keeps `x` instead and makes it again.

    `x` is kept anyway, for the gradient of the norm.
    """
    place, size, kind = normed.data_ptr(), normed.numel(), normed.dtype  # and not `normed` itself

    def pack(tensor: Tensor) -> Tensor | torch.Size:
        same = tensor.data_ptr() == place and tensor.numel() == size and tensor.dtype == kind
        return tensor.shape if same else tensor

    def unpack(kept: Tensor | torch.Size) -> Tensor:
        if isinstance(kept, Tensor):
            return kept
        with torch.no_grad():
            return norm(x).view(kept)

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        yield
