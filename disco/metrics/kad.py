"""Kernel audio distance: like the Fréchet distance, without its bias and without assuming a Gaussian."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from disco.core.embedder import Embedder
from disco.core.ranges import PositiveInt, Share
from disco.metrics.embedded import Embedded, Heard, joined
from disco.metrics.intervals import extrapolate
from disco.metrics.kernels import median_distance, mmd_squared

SCALE = 100.0  # published numbers are a hundred times the discrepancy


class Kad(Embedded):
    """Unbiased squared maximum mean discrepancy times 100 (Chung et al. 2025, arXiv 2502.15602).

    * `kad/<embedder>`: as published, needs fewer takes than a Fréchet distance. The width of the Gaussian
      kernel is the median distance within the reference, as the paper says (its package takes the other
      side's).
    * `…/infinity`: the same without what windows of one take have in common, which makes few takes look
      farther apart; with the interval from `…/infinity_low` to `…/infinity_high`, over takes. Below 0 by
      chance where the sets are too alike to tell apart.

    Args:
        embedder: turns takes into points.
        min_windows: with fewer on a side the metric refuses to answer.
        groups: how often takes are left out for the interval, at most once each.
        confidence: share of intervals that hold the true value.
    """

    better: ClassVar[Mapping[str, bool | None]] = {
        "": False,
        "infinity": False,
        "infinity_low": None,
        "infinity_high": None,
    }

    def __init__(
        self, *, embedder: Embedder, min_windows: PositiveInt, groups: PositiveInt, confidence: Share
    ) -> None:
        super().__init__(embedder=embedder, min_windows=min_windows)
        self.groups = max(2, groups)
        self.confidence = confidence

    def compare(self, made: list[Heard], reference: list[Heard]) -> dict[str, float]:
        """Compare two sets of takes."""
        bandwidth = median_distance(joined(reference))

        def distance(some: Sequence[Heard], others: Sequence[Heard]) -> float:
            return SCALE * mmd_squared(joined(some), joined(others), bandwidth=bandwidth)

        found = extrapolate(distance, made, reference, groups=self.groups, confidence=self.confidence)
        return {
            "": distance(made, reference),
            "infinity": found.value,
            "infinity_low": found.low,
            "infinity_high": found.high,
        }
