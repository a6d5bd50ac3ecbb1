"""Drawing tokens from logits: temperature, top-k, top-p; one generator per item."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor


def keep_likely(logits: Float[Tensor, "*n v"], *, top_k: int, top_p: float) -> Float[Tensor, "*n v"]:
    """Set to -inf what is not among the `top_k` best or the best that make up `top_p` of the probability.

    0 and 1 keep everything; the best token always stays.
    """
    if 0 < top_k < logits.shape[-1]:
        floor = logits.topk(top_k, dim=-1).values[..., -1:]
        logits = logits.masked_fill(logits < floor, float("-inf"))
    if top_p < 1:
        ordered, order = logits.sort(dim=-1, descending=True)
        share = ordered.softmax(-1)
        late = share.cumsum(-1) - share >= top_p
        late[..., 0] = False
        logits = logits.masked_fill(late.scatter(-1, order, late), float("-inf"))
    return logits


def draw(
    logits: Float[Tensor, "b k v"],
    generators: Sequence[torch.Generator],
    *,
    temperature: float,
    top_k: int,
    top_p: float,
) -> Int[Tensor, "b k"]:
    """Draw one token per item and codebook; item i depends on `generators[i]` alone.

    Generators live on the CPU, so that every device draws the same noise; `temperature` 0 takes the best
    token and uses none.
    """
    if temperature == 0:
        return logits.argmax(-1)
    kept = keep_likely(logits.float() / temperature, top_k=top_k, top_p=top_p)
    noise = torch.stack([torch.rand(logits.shape[1:], generator=g) for g in generators])
    # The Gumbel trick: the argmax of logits plus this noise is a draw from their softmax.
    gumbel = -torch.log(-torch.log(noise.clamp(1e-20, 1 - 1e-7)))
    return (kept + gumbel.to(kept.device)).argmax(-1)
