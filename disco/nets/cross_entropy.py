"""Cross-entropy over large vocabularies, without further arrays of the size of the logits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

AT_ONCE = 2**22  # logits that are worked on together: 16 MB in float32


def cross_entropy(logits: Float[Tensor, "... v"], targets: Int[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Return the surprise at each target in nats, in float32 whatever the logits are in.

    `torch.nn.functional.cross_entropy` keeps log-probabilities beside the logits for the backward pass
    and, in half precision, a float32 copy of both. This keeps the logits and one number per target, and
    makes the probabilities again where their gradient is written. It can be differentiated once.
    """
    nats: Tensor = _CrossEntropy.apply(logits.flatten(0, -2), targets.flatten())  # type: ignore[assignment]
    return nats.view_as(targets)


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> Tensor:
        total = torch.empty(targets.shape, dtype=torch.float32, device=logits.device)
        for rows in _blocks(logits):
            torch.logsumexp(logits[rows].float(), -1, out=total[rows])
        ctx.save_for_backward(logits, targets, total)
        return total - logits.gather(-1, targets[:, None])[:, 0].float()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        logits, targets, total = ctx.saved_tensors
        gradient = torch.empty_like(logits)
        for rows in _blocks(logits):
            shares = logits[rows].float().sub(total[rows, None]).exp_()
            shares.scatter_add_(-1, targets[rows, None], shares.new_full((len(shares), 1), -1.0))
            gradient[rows] = shares.mul_(outer[rows, None])
        return gradient, None


def _blocks(logits: Tensor) -> Iterator[slice]:
    size = max(1, AT_ONCE // logits.shape[-1])
    return (slice(first, first + size) for first in range(0, len(logits), size))
