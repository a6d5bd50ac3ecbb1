"""Counting baselines: how well tokens are foretold by the one or two before them, without learning.

Witten-Bell interpolation: a context seen `n` times with `t` different followers trusts its own counts
n / (n + t) and leaves the rest to the shorter context; the shortest leaves it to the uniform distribution.
"""

from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor


class WittenBell:
    """An interpolated n-gram: `order` 2 looks one token back, 3 looks two.

    Raises:
        ValueError: an order below 1, a table of contexts too large for 64 bits, or a token outside
            the vocabulary.
    """

    def __init__(self, sequences: Iterable[Int[np.ndarray, "_"]], *, order: int, vocabulary: int) -> None:
        if order < 1 or vocabulary**order >= 2**63:
            raise ValueError(f"order {order} over {vocabulary} tokens cannot be counted")
        self.order = order
        self.vocabulary = vocabulary
        sequences = [self._checked(sequence) for sequence in sequences]
        self._levels = [_Level(self._runs(sequences, length), vocabulary) for length in range(1, order + 1)]

    def probabilities(self, sequence: Int[np.ndarray, "s"]) -> Float[np.ndarray, "s"]:
        """Return the probability of each token after those before it; the first ones see shorter contexts."""
        sequence = self._checked(sequence)
        seen = np.full(len(sequence), 1.0 / self.vocabulary)
        for length, level in enumerate(self._levels, 1):
            back = length - 1
            if len(sequence) > back:
                seen[back:] = level.refine(self._runs([sequence], length), seen[back:])
        return seen

    def cross_entropy(self, sequences: Iterable[Int[np.ndarray, "_"]]) -> float:
        """Return the mean surprise in nats per token."""
        surprise = np.concatenate([-np.log(self.probabilities(sequence)) for sequence in sequences])
        return float(surprise.mean())

    def _checked(self, sequence: Int[np.ndarray, "s"]) -> Int[np.ndarray, "s"]:
        sequence = np.asarray(sequence, dtype=np.int64)
        if len(sequence) and not (sequence.min() >= 0 and sequence.max() < self.vocabulary):
            raise ValueError(f"tokens must lie in 0..{self.vocabulary - 1}, got up to {sequence.max()}")
        return sequence

    def _runs(self, sequences: list[Int[np.ndarray, "_"]], length: int) -> Int[np.ndarray, "m"]:
        """Number every run of `length` tokens; runs never cross from one sequence into the next."""
        keys = [np.zeros(0, dtype=np.int64)]
        for sequence in sequences:
            count = max(len(sequence) - length + 1, 0)
            key = np.zeros(count, dtype=np.int64)
            for offset in range(length):
                key = key * self.vocabulary + sequence[offset : offset + count]
            keys.append(key)
        return np.concatenate(keys)


class _Level:
    """Counts of the runs of one length and of their contexts."""

    def __init__(self, runs: Int[np.ndarray, "m"], vocabulary: int) -> None:
        self.vocabulary = vocabulary
        self.runs, self.run_counts = np.unique(runs, return_counts=True)
        contexts = self.runs // vocabulary
        self.contexts, inverse = np.unique(contexts, return_inverse=True)
        self.totals = np.bincount(inverse, weights=self.run_counts, minlength=len(self.contexts))
        self.kinds = np.bincount(inverse, minlength=len(self.contexts))

    def refine(self, runs: Int[np.ndarray, "m"], shorter: Float[np.ndarray, "m"]) -> Float[np.ndarray, "m"]:
        count = _look_up(self.runs, self.run_counts, runs)
        total = _look_up(self.contexts, self.totals, runs // self.vocabulary)
        kinds = _look_up(self.contexts, self.kinds, runs // self.vocabulary)
        return np.where(total > 0, (count + kinds * shorter) / np.maximum(total + kinds, 1), shorter)


def _look_up(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the value at each wanted key, 0 where it is not among the sorted keys."""
    if len(keys) == 0:
        return np.zeros(len(wanted))
    place = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0)


def transition_counts(
    contexts: Int[Tensor, "n"], tokens: Int[Tensor, "n"], num_contexts: int, vocabulary: int
) -> Float[Tensor, "c v"]:
    """Count how often each token follows each context, in double precision."""
    flat = torch.bincount(contexts * vocabulary + tokens, minlength=num_contexts * vocabulary)
    return flat.view(num_contexts, vocabulary).double()


def log_transitions(counts: Float[Tensor, "c v"]) -> Float[Tensor, "c v"]:
    """Turn counts into Witten-Bell log-probabilities of the token after each context.

    The shorter context is the token's own frequency over all contexts, that one's the uniform distribution.
    """
    totals = counts.sum(0)
    plain = (totals + (totals > 0).sum() / len(totals)) / (totals.sum() + (totals > 0).sum()).clamp(min=1)
    if totals.sum() == 0:
        plain = torch.full_like(totals, 1 / len(totals))
    seen = counts.sum(1, keepdim=True)
    kinds = (counts > 0).sum(1, keepdim=True)
    mixed = (counts + kinds * plain) / (seen + kinds).clamp(min=1)
    return torch.where(seen > 0, mixed, plain).log()
