"""How varied the tune is: entropies, complexity, contour, range."""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import ClassVar

import numpy as np

from disco.core.metric import Averaged, Take
from disco.metrics.notes import melody
from disco.metrics.tonality import find_key, pitch_classes

_GRID = 0.05  # seconds to which gaps between onsets are rounded before they are counted
_SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10, 11)}  # minor: both sevenths


class MelodicComplexity(Averaged):
    """Variety of the top line (the highest note of each onset), mean over takes. No value is good in itself.

    * `pitch_class_entropy`: bits per note, up to log2 12 = 3.58; `interval_entropy`, `rhythm_entropy`: of
      successive intervals and of the gaps between onsets.
    * `complexity`: Lempel-Ziv phrases of the intervals, over those of as many coin tosses (Lempel and Ziv
      1976, Kaspar and Schuster 1987): near 0 for a pattern that repeats, 1 for two intervals at random,
      more for many.
    * `turning`: share of inner notes at which the line changes direction. `rising`: share of moves up.
    * `range`: semitones from the lowest to the highest note. `in_scale`: share of notes in the scale of
      the key that they are in.
    """

    needs = frozenset({"made"})
    higher_is_better: ClassVar[Mapping[str, bool | None]] = dict.fromkeys(
        (
            "pitch_class_entropy",
            "interval_entropy",
            "rhythm_entropy",
            "complexity",
            "turning",
            "rising",
            "range",
            "in_scale",
        )
    )

    def __init__(self) -> None:
        super().__init__()

    def measure(self, made: Take, reference: Take | None) -> dict[str, float]:
        """Describe the top line of one take; a take without notes defines nothing."""
        notes = made.written.where(~made.written.is_drum)
        onsets, pitches = melody(notes)
        if not len(pitches):
            return dict.fromkeys(self.higher_is_better, math.nan)
        intervals = np.diff(pitches)
        moves = np.sign(intervals[intervals != 0])
        key = find_key(pitch_classes(notes))
        scale = _SCALES[key.mode] if key else tuple(range(12))
        inside = np.isin((pitches - (key.tonic if key else 0)) % 12, scale)
        return {
            "pitch_class_entropy": entropy((pitches % 12).tolist()),
            "interval_entropy": entropy(intervals.tolist()),
            "rhythm_entropy": entropy(np.rint(np.diff(onsets) / _GRID).astype(np.int64).tolist()),
            "complexity": complexity(intervals.tolist()),
            "turning": float((moves[1:] != moves[:-1]).mean()) if len(moves) > 1 else 0.0,
            "rising": float((moves > 0).mean()) if len(moves) else 0.5,
            "range": float(np.ptp(pitches)),
            "in_scale": float(inside.mean()),
        }


def entropy(symbols: Sequence[Hashable]) -> float:
    """Return the bits per symbol, 0 for none or one."""
    if not symbols:
        return 0.0
    counts = np.array([symbols.count(symbol) for symbol in dict.fromkeys(symbols)], dtype=np.float64)
    share = counts / counts.sum()
    return float(np.abs(share @ np.log2(share)))


def complexity(symbols: Sequence[Hashable]) -> float:
    """Return the Lempel-Ziv phrases over n / log2 n, as many as n coin tosses have; 0 for fewer than two."""
    if len(symbols) < 2:
        return 0.0
    return phrases(symbols) * math.log2(len(symbols)) / len(symbols)


def phrases(symbols: Sequence[Hashable]) -> int:
    """Count the phrases of the exhaustive parsing: each is the shortest run not seen earlier (LZ76)."""
    ids = {symbol: chr(index) for index, symbol in enumerate(dict.fromkeys(symbols))}
    text = "".join(ids[symbol] for symbol in symbols)
    count = start = 0
    while start < len(text):
        end = start + 1
        while end <= len(text) and text[start:end] in text[: end - 1]:
            end += 1
        count += 1
        start = end
    return count
