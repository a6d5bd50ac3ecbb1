"""Several wordings of one wish, and what each of them counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from disco.core.given import Given

HEARD_AS = "text"  # the name in `Conditions.given`: what silences the words silences these too


@dataclass(frozen=True)
class Wordings(Given):
    """What is asked for, said in several ways; it stands in `Conditions.given` beside the text.

    Attributes:
        texts: the wordings.
        shares: how much each counts; they sum to 1.

    Raises:
        ValueError: no wording, not one share for each, or shares that are not shares.
    """

    texts: tuple[str, ...]
    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.texts or len(self.texts) != len(self.shares):
            raise ValueError(f"{len(self.shares)} shares for {len(self.texts)} wordings")
        if min(self.shares) < 0 or not math.isclose(sum(self.shares), 1.0, abs_tol=1e-6):
            raise ValueError(f"shares of wordings are 0 or more and sum to 1, not {self.shares}")

    def alone(self, place: int) -> Wordings:
        """Return one of the wordings, which then counts alone."""
        return Wordings((self.texts[place],), (1.0,))


def shares_of(weights: Sequence[float] | None, count: int) -> tuple[float, ...]:
    """Return weights as shares; without any, each of `count` wordings counts alike.

    Raises:
        ValueError: not one weight for each, or weights that cannot be.
    """
    weights = [1.0] * count if weights is None else [float(one) for one in weights]
    if len(weights) != count:
        raise ValueError(f"{len(weights)} weights for {count} wordings, the prompt included")
    if not all(0 <= one < math.inf for one in weights) or sum(weights) == 0:
        raise ValueError(f"weights of wordings are 0 or more, and not all 0: {weights}")
    return tuple(one / sum(weights) for one in weights)


def blend(
    said: Sequence[Float[Tensor, "_n e"]], shares: Sequence[float] | Float[Tensor, " w"]
) -> Float[Tensor, "n e"]:
    """Return the mean of what a reader says to several wordings, place by place.

    Where a wording has ended only the others count, so that the mean is as long as the longest. What is
    said in the same words is itself.
    """
    weights = torch.as_tensor(shares, dtype=torch.float32).to(said[0].device if said else "cpu")
    padded, here = stacked(said)
    weighed = here.float() * weights[:, None]
    total = weighed.sum(0)
    mean = (weighed[..., None] * padded).sum(0) / total.clamp(min=1e-12)[:, None]
    return mean[total > 0] if len(mean) else mean


def stacked(said: Sequence[Float[Tensor, "_n e"]]) -> tuple[Float[Tensor, "w n e"], Bool[Tensor, "w n"]]:
    """Return what is said to each wording, padded to the longest, and where each says something."""
    padded = torch.nn.utils.rnn.pad_sequence(list(said), batch_first=True)
    lengths = torch.tensor([len(one) for one in said], device=padded.device)
    return padded, torch.arange(padded.shape[1], device=padded.device) < lengths[:, None]
