"""Cuts long recordings into pieces that begin on bar lines, of about one length."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import numpy as np
from jaxtyping import Float

from disco.audio.structure import novelty, section_bounds
from disco.core.ranges import NaturalFloat, PositiveFloat, Share
from disco.core.stage import Notes, Problem, Stage
from disco.errors import DiscoError

_NEAR = 0.5  # seconds: a section begins on the bar line beside its bound
_SECTION = 0.05  # what a section's beginning is worth: two pieces may be 16 % off for it


class Segment(Stage):
    """Divides what is kept into pieces from bar line to bar line, all of it and nothing twice.

    Lengths come as near as can be to equal shares of about `target` seconds; sections begin a piece
    where that costs little. Where the beat is unsure, the cuts fall at equal times. Neighbours share
    `overlap` seconds: each piece runs on into the next. A recording no longer than `longest` stays whole.

    Args:
        shortest: seconds; a recording that is shorter as a whole is `too_short`.
        longest: seconds, overlap included; twice `shortest` at least.
        target: seconds.
        overlap: seconds.
        confidence: below this `tempo_confidence` or `bar_confidence`, cut by time.
        too_short: `refuse`, `warn` or `ignore`.
    """

    def __init__(
        self,
        *,
        shortest: PositiveFloat,
        longest: PositiveFloat,
        target: PositiveFloat,
        overlap: NaturalFloat,
        confidence: Share,
        too_short: Literal["refuse", "warn", "ignore"],
    ) -> None:
        if not shortest <= target <= longest or 2 * shortest > longest or overlap >= shortest:
            raise DiscoError(
                f"segment cannot cut with {shortest=:g} {target=:g} {longest=:g} {overlap=:g}",
                do="choose overlap < shortest <= target <= longest, and longest at least twice shortest",
            )
        self.shortest = shortest
        self.longest = longest
        self.target = target
        self.overlap = overlap
        self.confidence = confidence
        self.too_short = too_short

    def conclude(self, notes: Notes) -> None:
        """Choose the pieces.

        Raises:
            DiscoError: no stage before this one has found bar lines.
        """
        missing = [name for name in ("downbeats", "chroma", "mfcc") if name not in notes.curves]
        if missing:
            raise DiscoError(
                f"segment needs {', '.join(missing)}, which no stage before it has found",
                do="put features before segment in the list of stages",
            )
        start, end = notes.span
        if end - start < self.shortest:
            self._flag(notes, end - start)
        if end - start <= self.longest:
            notes.segments = []
            return
        lines = notes.curves["downbeats"] if self._sure(notes) else np.zeros(0)
        chroma, mfcc = notes.curves["chroma"], notes.curves["mfcc"]
        sections = section_bounds(*novelty(chroma, mfcc, notes.curve_rate))
        cuts = self.cuts(start, end, lines, sections)
        edges = [start, *cuts, end]
        notes.segments = [
            (first, last if last == end else last + self.overlap) for first, last in pairwise(edges)
        ]

    def cuts(
        self,
        start: float,
        end: float,
        lines: Float[np.ndarray, " n"],
        sections: Float[np.ndarray, " k"],
    ) -> list[float]:
        """Choose where pieces begin between `start` and `end`: bar `lines`, or equal times without a way."""
        shortest, longest = self.shortest, self.longest - self.overlap
        whole = end - start
        number = max(int(np.ceil(whole / longest)), round(whole / self.target))
        number = min(number, max(1, int(whole // shortest)))
        while number > 1 and whole / number < shortest:
            number -= 1
        ideal = whole / number
        inner = lines[(lines > start + 1e-3) & (lines < end - 1e-3)]
        chosen = _cheapest(start, end, inner, sections, ideal, shortest, longest)
        if chosen is None:
            chosen = [start + ideal * i for i in range(1, number)]
        return chosen

    def _sure(self, notes: Notes) -> bool:
        names = ("tempo_confidence", "bar_confidence")
        return all(notes.features.get(name, 0.0) >= self.confidence for name in names)

    def _flag(self, notes: Notes, seconds: float) -> None:
        verdict = self.too_short
        if any(problem.code == "too_short" for problem in notes.problems):
            return
        if verdict == "refuse" or verdict == "warn":
            reason = f"it has {seconds:.2f} s of music, less than {self.shortest:g} s"
            notes.problems.append(
                Problem("too_short", reason, "lower segment.shortest, or leave it out", verdict)
            )


def _cheapest(
    start: float,
    end: float,
    lines: np.ndarray,
    sections: np.ndarray,
    ideal: float,
    shortest: float,
    longest: float,
) -> list[float] | None:
    """Find the cuts whose pieces deviate least from `ideal`, by dynamic programming; None if none fit."""
    places = np.concatenate([[start], lines, [end]])
    begins_section = np.zeros(len(places), bool)
    if len(sections):
        after = np.searchsorted(sections, places)
        beside = np.stack(
            [sections[np.maximum(after - 1, 0)], sections[np.minimum(after, len(sections) - 1)]]
        )
        begins_section = np.abs(beside - places).min(0) <= _NEAR
    cost = np.full(len(places), np.inf)
    before = np.zeros(len(places), int)
    cost[0] = 0.0
    for i in range(1, len(places)):
        first, last = np.searchsorted(places, [places[i] - longest - 1e-9, places[i] - shortest + 1e-9])
        last = min(last, i)
        if first >= last:
            continue
        lengths = places[i] - places[first:last]
        values = cost[first:last] + (lengths / ideal - 1.0) ** 2
        best = int(values.argmin())
        cost[i] = values[best] - (_SECTION if begins_section[i] else 0.0)
        before[i] = first + best
    if not np.isfinite(cost[-1]):
        return None
    path: list[float] = []
    i = int(before[-1])
    while i > 0:
        path.append(float(places[i]))
        i = int(before[i])
    return path[::-1]
