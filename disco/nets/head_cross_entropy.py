"""A head and the cross-entropy of what it says in one, so that its logits never stand in memory at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

AT_ONCE = {"cpu": 2**22}  # logits that are worked on together: 16 MB in float32
ELSEWHERE = 2**25  # launching many small products is what costs on a GPU

Prior = Callable[[int], Float[Tensor, "b f v"]]


def head_cross_entropy(
    hidden: Float[Tensor, "b s d"],
    weight: Float[Tensor, "kv d"],
    targets: Int[Tensor, "b k f"],
    mask: Bool[Tensor, "b k f"],
    places: Sequence[slice | Int[Tensor, "f"]],
    prior: Prior | None,
) -> Float[Tensor, ""]:
    """Return the mean over codebooks of the mean surprise over valid frames in nats, in float32.

    Equal to `cross_entropy(prior + hidden[places] @ weight.T, targets)`, averaged; the gradient is written
    in the forward pass, while the logits of a block are there (as Hsu et al. 2024, arXiv 2410.10989). It
    can be differentiated once.

    Args:
        hidden: what the head reads, in steps.
        weight: of the head, the rows of one codebook after those of another.
        targets: the tokens that came, by codebook and frame.
        mask: which of them count; a codebook without any weighs 0.
        places: for each codebook the steps whose output foretells its frames, each at most once.
        prior: what is added to the logits of a codebook; it gets no gradient.
    """
    nats: Tensor = _HeadCrossEntropy.apply(hidden, weight, targets, mask, places, prior)  # type: ignore[assignment]
    return nats


class _HeadCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        targets: Tensor,
        mask: Tensor,
        places: Sequence[slice | Tensor],
        prior: Prior | None,
    ) -> Tensor:
        device = hidden.device.type
        narrowed = torch.is_autocast_enabled(device)
        kind = torch.get_autocast_dtype(device) if narrowed else hidden.dtype
        to_hidden = torch.zeros_like(hidden) if ctx.needs_input_grad[0] else None
        to_weight = torch.zeros_like(weight) if ctx.needs_input_grad[1] else None
        total = torch.zeros((), device=hidden.device)
        shares = mask / mask.sum((0, 2)).clamp(min=1)[:, None] / len(places)
        rows = weight.unflatten(0, (len(places), -1))
        size = max(1, AT_ONCE.get(device, ELSEWHERE) // rows.shape[1])
        with torch.autocast(device, enabled=False):
            for k, place in enumerate(places):
                heard, head = hidden[:, place].to(kind).flatten(0, 1), rows[k].to(kind)
                wanted, share = targets[:, k].reshape(-1, 1), shares[:, k].reshape(-1, 1)
                known = None if prior is None else prior(k).flatten(0, 1)
                back = None if to_hidden is None else torch.empty_like(heard)
                for first in range(0, len(heard), size):
                    block = slice(first, first + size)
                    logits = F.linear(heard[block], head).float()
                    if known is not None:
                        logits += known[block]
                    norm = logits.logsumexp(-1, keepdim=True)
                    total += ((norm - logits.gather(-1, wanted[block])) * share[block]).sum()
                    gradient = _to_logits(logits, norm, wanted[block], share[block]).to(kind)
                    if back is not None:
                        torch.mm(gradient, head, out=back[block])
                    if to_weight is not None:
                        to_weight.view_as(rows)[k] += gradient.T @ heard[block]
                if to_hidden is not None and back is not None:
                    to_hidden[:, place] += back.unflatten(0, (len(hidden), -1))
        ctx.save_for_backward(to_hidden, to_weight)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        to_hidden, to_weight = (None if kept is None else kept * outer for kept in ctx.saved_tensors)
        return to_hidden, to_weight, None, None, None, None


def _to_logits(logits: Tensor, norm: Tensor, wanted: Tensor, share: Tensor) -> Tensor:
    """Turn logits into the gradient of what they cost, in place."""
    probabilities = logits.sub_(norm).exp_()
    return probabilities.scatter_add_(-1, wanted, torch.full_like(share, -1.0)).mul_(share)
