"""The Fréchet distance beside the textbook formula with SciPy's matrix square root."""

from __future__ import annotations

import numpy as np
import scipy.linalg

from benchmarks.side_by_side import Contest
from disco.metrics.frechet import frechet_distance


def textbook(a: np.ndarray, b: np.ndarray) -> float:
    """Return |μ₁ - μ₂|² + tr(S₁ + S₂ - 2 (S₁S₂)^½) as published (Heusel et al. 2017, eq. 6)."""
    one, two = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(one @ two).real
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(one + two - 2 * root))


def contests() -> list[Contest]:
    """Return the job at 128 and 512 dimensions."""
    found = []
    for dims, count in ((128, 1000), (512, 2000)):
        random = np.random.default_rng(dims)
        a, b = random.normal(size=(count, dims)), random.normal(0.1, 1.2, size=(count, dims))
        found.append(
            Contest(
                name=f"Fréchet distance, {dims} dimensions, {count} embeddings",
                ours=lambda a=a, b=b: frechet_distance(a, b),
                theirs=lambda a=a, b=b: textbook(a, b),
                peer="scipy.linalg.sqrtm",
                tolerance=1e-6,
            )
        )
    return found
