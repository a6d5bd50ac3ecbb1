"""Whether what was made is good, and whether it is varied enough: two questions, not one distance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from disco.core.embedder import Embedder
from disco.core.ranges import PositiveInt
from disco.errors import DiscoError
from disco.metrics.embedded import Embedded, Heard, joined
from disco.metrics.kernels import squared_distances


class Coverage(Embedded):
    """Neighbourhoods of made and reference windows in each other's midst.

    * `coverage/<embedder>/precision`: share of made windows inside the neighbourhood of a reference window;
      `…/recall`: the same the other way round (Kynkäänniemi et al. 2019, arXiv 1904.06991).
    * `…/density`: in how many such neighbourhoods a made window lies, over `nearest`; about 1 for equal sets,
      more where much the same is made; `…/coverage`: share of reference windows with a made window in their
      neighbourhood (Naeem et al. 2020, arXiv 2002.09797).

    A neighbourhood reaches to the `nearest`-th other window of its own side. One window far from all others
    raises precision, not density.

    Args:
        embedder: turns takes into points.
        min_windows: with fewer on a side the metric refuses to answer.
        nearest: 5 as published; more smooths.
    """

    deaf: ClassVar[Mapping[str, str]] = {
        "detune": "a few windows lie farther apart than it moves them",
    }
    better: ClassVar[Mapping[str, bool | None]] = {
        "precision": True,
        "recall": True,
        "density": True,
        "coverage": True,
    }

    def __init__(self, *, embedder: Embedder, min_windows: PositiveInt, nearest: PositiveInt) -> None:
        super().__init__(embedder=embedder, min_windows=min_windows)
        self.nearest = nearest

    def compare(self, made: list[Heard], reference: list[Heard]) -> dict[str, float]:
        """Compare two sets of takes.

        Raises:
            DiscoError: a side has too few windows to have so many neighbours.
        """
        fewest = min(sum(len(take.points) for take in side) for side in (made, reference))
        if fewest <= self.nearest:
            raise DiscoError(
                f"coverage looks for {self.nearest} neighbours among {fewest} windows",
                do="give it more takes, or a smaller metric.coverage.nearest",
            )
        return neighbourhoods(joined(made), joined(reference), nearest=self.nearest)


def neighbourhoods(
    made: Float[np.ndarray, "n d"], reference: Float[np.ndarray, "m d"], *, nearest: int
) -> dict[str, float]:
    """Return precision, recall, density and coverage."""
    apart = squared_distances(reference, made)
    reach = {"reference": _reach(reference, nearest)[:, None], "made": _reach(made, nearest)}
    inside = apart <= reach["reference"] * (1 + 1e-9)  # the edge counts, whatever rounding says
    return {
        "precision": float(inside.any(0).mean()),
        "recall": float((apart <= reach["made"] * (1 + 1e-9)).any(1).mean()),
        "density": float(inside.sum(0).mean() / nearest),
        "coverage": float((apart.min(1) <= reach["reference"][:, 0] * (1 + 1e-9)).mean()),
    }


def _reach(points: Float[np.ndarray, "n d"], nearest: int) -> Float[np.ndarray, " n"]:
    """Squared distance of each point to the `nearest`-th other one."""
    apart = squared_distances(points, points)
    np.fill_diagonal(apart, 0.0)
    return np.partition(apart, nearest, axis=1)[:, nearest]  # the first is the point itself
