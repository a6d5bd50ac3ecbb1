"""What a number would be from endlessly many takes, and how sure that is.

A Fréchet distance falls as 1/N with the number N of windows, so numbers from sets of different sizes do not
compare, and a bootstrap, which repeats windows, only adds to the bias. Leaving out one group of takes after
the other gives the distance at N and, g times, at N (1 − 1/g): the line through both in 1/N meets 1/N = 0 at
the extrapolated value (FAD∞: Chong, Forsyth 2020, arXiv 1911.07023; Gui et al. 2024, arXiv 2311.01616), and
the g values tell how much it would move with other takes (Quenouille 1956, Tukey 1958). Whole takes are left
out, because the windows of one take are not independent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")


@dataclass(frozen=True)
class Extrapolated:
    """A value at 1/N = 0, and the ends of its interval; `whole` is the bare value of all takes."""

    whole: float
    value: float
    low: float
    high: float


def extrapolate(
    measure: Callable[[Sequence[Item], Sequence[Item]], float],
    made: Sequence[Item],
    reference: Sequence[Item],
    *,
    groups: int,
    confidence: float,
) -> Extrapolated:
    """Extrapolate a distance between two sets of takes in 1/N, over both sides at once.

    Args:
        measure: the distance; biased by 1/N or not at all.
        made: takes of one side.
        reference: takes of the other; empty where only `made` is a sample, as where the other side is a file
            of statistics.
        groups: how many times something is left out; at most one group per take.
        confidence: share of intervals that hold the true value, for instance 0.95.

    Raises:
        ValueError: fewer than two takes on a side.
    """
    fewest = min(len(side) for side in (made, reference) if side or side is made)
    if fewest < 2:
        raise ValueError(f"an interval needs two or more takes on each side, got {fewest}")
    groups = min(groups, fewest)
    whole = measure(made, reference)
    without = np.array(
        [
            measure(_without(made, index, groups), _without(reference, index, groups))
            for index in range(groups)
        ]
    )
    # the value that each group alone stands for
    single = groups * whole - (groups - 1) * without
    value = float(single.mean())
    error = float(single.std(ddof=1)) / math.sqrt(groups)
    half = _t_quantile(0.5 + confidence / 2, groups - 1) * error
    return Extrapolated(whole, value, value - half, value + half)


def _without(items: Sequence[Item], index: int, groups: int) -> list[Item]:
    return [item for place, item in enumerate(items) if place % groups != index]


def _t_quantile(share: float, freedom: int) -> float:
    from scipy.stats import t  # half a second

    return float(t.ppf(share, freedom))
