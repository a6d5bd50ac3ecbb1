"""Does it have a form: sections that come back, bounds between them, and no mere loop?"""

from collections.abc import Mapping
from itertools import pairwise
from typing import ClassVar

import mir_eval
import numpy as np
from jaxtyping import Float

from disco.audio.structure import novelty, section_bounds
from disco.core.metric import CURVE_RATE, Averaged, Take
from disco.core.ranges import PositiveFloat, PositiveInt
from disco.metrics.hearing import cepstrum_of, chroma_of

_SAME = 0.98  # mean cosine above which a passage counts as the very same
_EDGE = 4.0  # seconds at both ends without a bound
_CONTEXT = 2  # cells that stand together when two moments are compared


class Structure(Averaged):
    """Self-similarity of pitch classes and tone colour over time, mean over takes.

    The take is cut into cells of `cell` seconds (of a quarter note, where the tempo is known), and every two
    moments are compared. Music repeats sections at long distances, noise repeats nothing, a loop only itself.

    * `repetition`: how much more alike each passage of `passage` cells is to its best other occurrence than
      to the rest of the piece: 0 nothing comes back, up to 1.
    * `looping`: share of passages that come back the very same at one and the same distance, of the
      distance where that is most.
    * `novelty`: height of the strongest section bound (Foote 2000), 0 to 1; `bounds`: bounds per minute.
    * `bound_f`: section bounds against the reference's, within `tolerance` seconds (`mir_eval.segment`).

    Args:
        cell: seconds per cell where no tempo is known.
        passage: cells that must come back together; a third of the take where that is less.
        tolerance: seconds between two bounds that still are one.
    """

    needs = frozenset({"made", "reference"})
    deaf: ClassVar[Mapping[str, str]] = {
        "noise": "it compares the take with itself, and the fault is everywhere",
        "low-pass": "it compares the take with itself, and the fault is everywhere",
    }
    higher_is_better: ClassVar[Mapping[str, bool | None]] = {
        "repetition": None,
        "looping": None,
        "novelty": None,
        "bounds": None,
        "bound_f": True,
    }

    def __init__(self, *, cell: PositiveFloat, passage: PositiveInt, tolerance: PositiveFloat) -> None:
        super().__init__()
        self.cell = cell
        self.passage = passage
        self.tolerance = tolerance

    def measure(self, made: Take, reference: Take | None) -> dict[str, float]:
        """Compare the take with itself, and its bounds with the reference's."""
        assert reference is not None, "update gives one"
        seconds = 60.0 / made.tempo_bpm if made.tempo_bpm is not None else self.cell
        alike = self_similarity(cells(made, seconds))
        passage = max(1, min(self.passage, len(alike) // 3))
        found, height = bounds_of(made)
        wanted, _ = bounds_of(reference)
        return {
            "repetition": repetition(alike, passage),
            "looping": looping(alike, passage),
            "novelty": height,
            "bounds": 60.0 * len(found) / max(made.length, seconds),
            "bound_f": bound_agreement(wanted, found, self.tolerance),
        }


def bounds_of(take: Take) -> tuple[Float[np.ndarray, " n"], float]:
    """Return the section bounds of a take in seconds, and the height of its strongest novelty.

    The first and last seconds are left out: there a piece begins and ends.
    """
    seconds, strength = novelty(chroma_of(take), cepstrum_of(take), CURVE_RATE)
    inner = (seconds >= _EDGE) & (seconds <= take.length - _EDGE)
    seconds, strength = seconds[inner], strength[inner]
    return section_bounds(seconds, strength), float(strength.max(initial=0.0))


def cells(take: Take, cell: float) -> Float[np.ndarray, "n d"]:
    """Describe each `cell` seconds: pitch classes, and tone colour where there is sound; rows of length 1."""
    count = max(1, int(take.length / cell + 1e-6))
    edges = (np.arange(count * 4 + 1) * cell / 4 * CURVE_RATE).astype(np.int64)
    parts = []
    for curve, weight in ((chroma_of(take), 1.0), (cepstrum_of(take), 0.5)):
        inner = np.minimum(edges, len(curve) - 1)
        slices = [curve[a : max(a + 1, b)].mean(0) for a, b in pairwise(inner)]
        # Four slices of each cell stand side by side, so that order within it counts.
        parts.append(weight * _unit(_centred(np.stack(slices).astype(np.float64).reshape(count, -1))))
    return _unit(np.concatenate(parts, axis=1))


def self_similarity(features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n n"]:
    """Return the cosine of every two rows, each with the `_CONTEXT` rows that follow it."""
    alike = features @ features.T
    size = len(alike)
    total, count = np.zeros_like(alike), np.zeros_like(alike)
    for shift in range(min(_CONTEXT, size)):
        total[: size - shift, : size - shift] += alike[shift:, shift:]
        count[: size - shift, : size - shift] += 1
    return total / count


def repetition(alike: Float[np.ndarray, "n n"], passage: int) -> float:
    """Return how much a passage's best other occurrence exceeds its mean likeness; 0 without room."""
    paths = _paths(alike, passage)
    size = len(paths)
    apart = np.abs(np.subtract.outer(np.arange(size), np.arange(size))) >= passage
    rows = apart.any(1)
    if not rows.any():
        return 0.0
    best = np.where(apart, paths, -1.0).max(1)[rows]
    usual = (np.where(apart, paths, 0.0).sum(1) / np.maximum(1, apart.sum(1)))[rows]
    return float(np.clip((best - usual).mean(), 0.0, 1.0))


def looping(alike: Float[np.ndarray, "n n"], passage: int) -> float:
    """Return the largest share of cells that equal the cells one distance later, over distances to half."""
    size = len(alike)
    shares = [float((np.diagonal(alike, lag) > _SAME).mean()) for lag in range(passage, size // 2 + 1)]
    return max(shares, default=0.0)


def bound_agreement(reference: np.ndarray, estimate: np.ndarray, tolerance: float) -> float:
    """Return the F-measure of bounds in seconds; two takes without any agree fully."""
    if not len(reference) or not len(estimate):
        return float(len(reference) == len(estimate))
    hits = len(mir_eval.util.match_events(reference, estimate, tolerance))
    return 2.0 * hits / (len(reference) + len(estimate))


def _paths(alike: np.ndarray, passage: int) -> np.ndarray:
    """Mean likeness along the diagonal: entry (i, j) compares the passages that begin at i and at j."""
    size = max(1, len(alike) - passage + 1)
    steps = min(passage, len(alike))
    return np.mean([alike[step : step + size, step : step + size] for step in range(steps)], axis=0)


def _centred(rows: np.ndarray) -> np.ndarray:
    return rows - rows.mean(0, keepdims=True) if len(rows) > 1 else rows


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
