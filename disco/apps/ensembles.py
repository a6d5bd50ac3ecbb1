"""One wish in several wordings: their mean, guidance towards each of them, or the best of several takes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from disco.core.batch import CodeBatch, Conditions
from disco.core.ranges import NaturalFloat, PositiveInt
from disco.core.wordings import HEARD_AS, Wordings, shares_of
from disco.nets.guidance import Guidance, Worded

if TYPE_CHECKING:
    from disco.core.contracts import Sampler


class Ensemble(ABC):
    """How several wordings become one take.

    Attributes:
        of: takes that are made for each one that is kept.
    """

    of: int = 1

    @abstractmethod
    def tell(self, conditions: Conditions, texts: Sequence[str]) -> Conditions:
        """Return the conditions of all takes that are made, told in several wordings, if there are any.

        Raises:
            ValueError: the wordings do not fit the settings.
        """

    def guide(self, sampler: Sampler, texts: Sequence[str]) -> Sampler:
        """Return the sampler, its guidance changed where wordings are part of it."""
        return sampler


class _Weighed(Ensemble):
    def __init__(self, *, weights: Sequence[NaturalFloat] | None) -> None:
        self.weights = weights

    def tell(self, conditions: Conditions, texts: Sequence[str]) -> Conditions:
        """Let each piece hear all wordings."""
        if not texts:
            raise ValueError("nothing is said that could be worded; give prompt=…")
        one = Wordings(tuple(texts), shares_of(self.weights, len(texts)))
        return replace(conditions, given={**conditions.given, HEARD_AS: (one,) * len(conditions)})


class Mean(_Weighed):
    """The mean of what the text encoder says to the wordings, place by place.

    Args:
        weights: how much the prompt and each wording count; None all alike.
    """


class Guided(_Weighed):
    """Guidance towards each wording from what would be played unasked; shapers then know their mean.

    Args:
        weights: how much the prompt and each wording count; None all alike.
    """

    def guide(self, sampler: Sampler, texts: Sequence[str]) -> Sampler:
        """Return the sampler with a pass of the model per wording."""
        shapers = sampler.guided.shapers if sampler.guided else ()
        chain = Worded(weight=sampler.guidance, shares=shares_of(self.weights, len(texts)))
        return replace(sampler, guided=Guidance(chain, shapers))


class Best(Ensemble):
    """Makes several takes, each in the next wording, and keeps the one that agrees best with its words.

    Agreement is how much likelier the model itself finds the tokens when it is told than when it is not, in
    nats per token: it asks the same model that made them, and no one who listens.

    Args:
        of: takes for each one that is kept.
    """

    def __init__(self, *, of: PositiveInt) -> None:
        self.of = of

    def tell(self, conditions: Conditions, texts: Sequence[str]) -> Conditions:
        """Return each piece `of` times, one behind the other, in one wording after the other."""
        count = len(conditions)
        rows = conditions.rows([place for place in range(count) for _ in range(self.of)])
        if not texts:
            return rows
        return replace(rows, text=tuple(texts[place % self.of % len(texts)] for place in range(len(rows))))


def best_of(agreement: Float[Tensor, "b"], of: int) -> list[int]:
    """Return the place of the best of each `of` takes; of equal ones the first."""
    groups = agreement.unflatten(0, (-1, of))
    return [row * of + int(place) for row, place in enumerate(groups.argmax(1))]


@torch.no_grad()
def agreement(model: Any, codes: Int[Tensor, "b k f"], conditions: Conditions) -> Float[Tensor, "b"]:
    """Return how much likelier a model over codec tokens finds each piece told than untold: nats per token.

    Pieces that are longer than what it learnt are read in windows of that length.
    """
    total = torch.zeros(len(codes), dtype=torch.float64)
    for start in range(0, codes.shape[-1], model.most_frames):
        part = codes[..., start : start + model.most_frames]
        now = conditions.later(start / model.frame_rate)
        for sign, told in ((1, now), (-1, now.silent())):
            total += sign * _log_likelihood(model, part, told)
    return total / (codes.shape[1] * codes.shape[2])


def _log_likelihood(model: Any, codes: Int[Tensor, "b k f"], conditions: Conditions) -> Float[Tensor, "b"]:
    """Return the sum over the tokens of each piece, asked piece by piece: neighbours change nothing."""
    sums = []
    for place in range(len(codes)):
        one = codes[place : place + 1]
        valid = torch.tensor([one.shape[-1]], device=one.device)
        out = model(CodeBatch(codes=one, valid=valid, conditions=conditions.rows([place])))
        logs = out.logits.double().log_softmax(-1).gather(-1, one[..., None])[..., 0]
        sums.append(logs.masked_fill(~out.mask, 0.0).sum().cpu())
    return torch.stack(sums)
