"""Fréchet audio distance: how far what was made lies from real music, as an embedder hears it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from disco.core.embedder import Embedder
from disco.core.ranges import PositiveInt, Share
from disco.metrics.embedded import Embedded, Heard, joined
from disco.metrics.frechet import fit_gaussian, gaussian_distance
from disco.metrics.intervals import extrapolate
from disco.metrics.statistics import (
    Statistics,
    describe,
    distance_of_take,
    read_statistics,
    write_statistics,
)
from disco.metrics.subsets import Subsets


class Fad(Embedded):
    """Fréchet distance between the windows of made and reference takes (Kilgour et al. 2019).

    The number belongs to its embedder, `fad/<embedder>`: two embedders rank systems differently, and none
    compares with another's published figures, nor with its own from another reference set.

    * `fad/<embedder>`: the distance as published. It falls as 1/N: compare only sets of equal size.
    * `…/infinity`: extrapolated to endlessly many windows, over both sides, with the interval from
      `…/infinity_low` to `…/infinity_high`; below 0 where the sets are too alike to tell apart.
    * `…/outliers`: share of takes that lie farther from the reference than its own takes do, beyond the third
      quartile of theirs by more than one and a half times the distance between their quartiles (Tukey).
    * `…/windows`: how many windows were made.

    Args:
        embedder: turns takes into points.
        min_windows: with fewer on a side the metric refuses to answer.
        groups: how often takes are left out for the extrapolation, at most once each.
        confidence: share of intervals that hold the true value.
        statistics: a file that stands for the reference; None compares with the reference takes. The
            extrapolation is then over the made side only.
        keep: a file to write the reference to, as `statistics` reads it.

    Raises:
        DiscoError: the statistics are not there or were made with another embedder.
    """

    better: ClassVar[Mapping[str, bool | None]] = {
        "": False,
        "infinity": False,
        "infinity_low": None,
        "infinity_high": None,
        "outliers": False,
        "windows": None,
    }

    def __init__(
        self,
        *,
        embedder: Embedder,
        min_windows: PositiveInt,
        groups: PositiveInt,
        confidence: Share,
        statistics: str | None,
        keep: str | None,
    ) -> None:
        super().__init__(embedder=embedder, min_windows=min_windows)
        self.groups = max(2, groups)
        self.confidence = confidence
        self.keep = keep
        self.statistics = None if statistics is None else read_statistics(Path(statistics), embedder)
        if self.statistics is not None:
            self.needs = frozenset({"made"})  # pyright: ignore[reportAttributeAccessIssue]

    def compare(self, made: list[Heard], reference: list[Heard]) -> dict[str, float]:
        """Compare two sets of takes."""
        known = self.statistics or describe(reference, self.embedder)
        if self.keep is not None:
            write_statistics(Path(self.keep), known)

        def apart(some: Sequence[Heard], others: Sequence[Heard]) -> float:
            return gaussian_distance(fit_gaussian(joined(some)), fit_gaussian(joined(others)))

        groups, confidence = self.groups, self.confidence
        if self.statistics:
            subsets = Subsets(joined(made), known.gaussian)
            beyond = extrapolate(
                lambda some, _: subsets.distance(np.concatenate(some)),
                places_of(made),
                [],
                groups=groups,
                confidence=confidence,
            )
        else:
            beyond = extrapolate(apart, made, reference, groups=groups, confidence=confidence)
        return {
            "": beyond.whole,
            "infinity": beyond.value,
            "infinity_low": beyond.low,
            "infinity_high": beyond.high,
            "outliers": float(
                np.mean([distance_of_take(take, known.gaussian) > fence(known) for take in made])
            ),
            "windows": float(sum(len(take.points) for take in made)),
        }

    def per_take(self) -> list[float]:
        """Return how far each made take lies from the reference, in the order in which they came."""
        reference = sorted((row for row in self.rows if row.side == "reference"), key=lambda row: row.key)
        known = self.statistics or describe(reference, self.embedder)
        return [distance_of_take(row, known.gaussian) for row in self.rows if row.side == "made"]


def places_of(takes: Sequence[Heard]) -> list[np.ndarray]:
    """Return, take by take, which rows of their joined points are its own."""
    ends = np.cumsum([len(take.points) for take in takes])
    return np.split(np.arange(ends[-1]), ends[:-1])


def fence(reference: Statistics) -> float:
    """Return the distance beyond which a take is an outlier."""
    lower, upper = np.quantile(reference.apart, (0.25, 0.75))
    return float(upper + 1.5 * (upper - lower))
