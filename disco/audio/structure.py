"""Where a piece changes: novelty of harmony and tone colour, and the bounds of sections."""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from jaxtyping import Float
from numba import njit

from disco.audio.spool import let_go

_STEP = 0.5  # seconds that one row of the comparison stands for
_REACH = 8.0  # seconds to both sides that are compared
_APART = 6.0  # seconds between two bounds
_STEADY = 3.0  # a coefficient that moves less than this, in decibels, does not change
_PIECE = 256  # rows at once: a long file costs no second copy of its curves
_ABOVE = 1.0  # standard deviations of novelty that make a bound


def novelty(
    chroma: Float[np.ndarray, "f 12"], mfcc: Float[np.ndarray, "f d"], rate: float
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Compare what came before a moment with what follows: seconds, and novelty at each.

    Foote's checkerboard (ICME 2000) slides along the diagonal of the self-similarity of half-second
    means; only a band of it is ever computed.

    Args:
        chroma: pitch classes by frame.
        mfcc: tone colour by frame.
        rate: frames per second of both.
    """
    step = max(1, round(_STEP * rate))
    count = len(chroma) // step
    reach = round(_REACH / _STEP)
    if count < 4:
        return np.zeros(0), np.zeros(0)
    harmony, colour = _means(chroma, step, count), _spread(_means(mfcc, step, count)[:, 1:])
    rows = np.concatenate([_unit(harmony, 1e-6), _unit(colour, 1.0)], 1)
    strength = _checkerboard(rows.astype(np.float64), reach)
    return np.arange(count) * step / rate, strength


def section_bounds(
    seconds: Float[np.ndarray, " n"], strength: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " k"]:
    """Choose the tops of novelty that stand out, in seconds."""
    if len(strength) < 3:
        return np.zeros(0)
    least = strength.mean() + _ABOVE * strength.std()
    tops = [
        i
        for i in range(1, len(strength) - 1)
        if strength[i] > least and strength[i] >= strength[i - 1] and strength[i] > strength[i + 1]
    ]
    chosen: list[int] = []
    for top in sorted(tops, key=lambda i: -strength[i]):
        if all(abs(seconds[top] - seconds[other]) >= _APART for other in chosen):
            chosen.append(top)
    return seconds[sorted(chosen)]


def _means(curve: np.ndarray, step: int, count: int) -> np.ndarray:
    means = np.empty((count, curve.shape[1]), np.float32)
    for first in range(0, count, _PIECE):
        rows = np.asarray(curve[first * step : min(count, first + _PIECE) * step])
        means[first : first + _PIECE] = rows.reshape(-1, step, curve.shape[1]).mean(1)
        let_go(curve)
    return means


def _spread(rows: np.ndarray) -> np.ndarray:
    return (rows - rows.mean(0)) / np.maximum(rows.std(0), _STEADY)


def _unit(rows: np.ndarray, least: float) -> np.ndarray:
    """Scale rows to length 1, but for those that are shorter than `least`."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), least)


@njit(cache=True)
@no_type_check
def _checkerboard(rows: np.ndarray, reach: int) -> np.ndarray:
    """Within each side similar, across dissimilar: weigh pairs by a bell around the moment."""
    count = len(rows)
    band = np.zeros((count, 2 * reach))
    for i in range(count):
        for lag in range(min(2 * reach, count - i)):
            band[i, lag] = (rows[i] * rows[i + lag]).sum()
    bell = np.exp(-2.0 * (np.arange(-reach, reach) + 0.5) ** 2 / reach**2)
    out = np.zeros(count)
    for centre in range(2, count - 1):
        within, across, weight_within, weight_across = 0.0, 0.0, 1e-9, 1e-9
        for a in range(max(-reach, -centre), min(reach, count - centre)):
            for b in range(a, min(reach, count - centre)):
                w = bell[a + reach] * bell[b + reach]
                if (a < 0) == (b < 0):
                    within += w * band[centre + a, b - a]
                    weight_within += w
                else:
                    across += w * band[centre + a, b - a]
                    weight_across += w
        out[centre] = max(0.0, within / weight_within - across / weight_across)
    return out
