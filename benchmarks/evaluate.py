"""The Fréchet distance, its low-rank case and FAD∞ beside the formulas of the packages in use."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.linalg

from benchmarks.side_by_side import Contest
from disco.metrics.frechet import fit_gaussian, frechet_distance, gaussian_distance
from disco.metrics.intervals import extrapolate

GROUPS = 3  # distances of one extrapolation, less one; the peers' package takes 25 and minutes


def by_root(a: np.ndarray, b: np.ndarray) -> float:
    """As frechet-audio-distance and pytorch-fid: the root of the product (Heusel et al. 2017, eq. 6)."""
    one, two = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(one @ two)
    return float(
        ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(one) + np.trace(two) - 2 * np.trace(root.real)
    )


def by_eigenvectors(a: np.ndarray, b: np.ndarray) -> float:
    """As fadtk: the root once by Schur and once by eigenvectors, the two compared."""
    one, two = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    product = one @ two
    root = scipy.linalg.sqrtm(product)
    values, vectors = scipy.linalg.eig(product)
    other = (vectors * np.emath.sqrt(values)) @ np.linalg.inv(vectors)
    assert abs(np.trace(root).real - np.trace(other).real) < 1e-2 * len(product)
    return float(
        ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(one) + np.trace(two) - 2 * np.trace(other.real)
    )


def contests() -> list[Contest]:
    """Return whole distances, a distance with fewer windows than dimensions, and an extrapolation."""
    found = []
    for width, count, peers in (
        (128, 1000, {"frechet-audio-distance's formula": by_root}),
        (512, 2000, {"frechet-audio-distance's formula": by_root, "fadtk's formula": by_eigenvectors}),
        (768, 3000, {"frechet-audio-distance's formula": by_root}),
        (1024, 200, {"frechet-audio-distance's formula": by_root}),
    ):
        a, b = _clouds(width, count)
        known = fit_gaussian(b)  # a reference is fitted once and used for every system
        for peer, formula in peers.items():
            found.append(
                Contest(
                    name=f"Fréchet distance, {width} dimensions, {count} windows",
                    ours=lambda a=a, known=known: gaussian_distance(fit_gaussian(a), known),
                    theirs=lambda a=a, b=b, formula=formula: formula(a, b),
                    peer=peer,
                    tolerance=1e-6,
                )
            )
    return [*found, _extrapolation()]


def _extrapolation() -> Contest:
    a, b = (np.array_split(cloud, 40) for cloud in _clouds(1024, 160))
    return Contest(
        name=f"FAD∞ of {GROUPS + 1} distances, 1024 dimensions, 160 windows",
        ours=lambda: _infinity(a, b, frechet_distance),
        theirs=lambda: _infinity(a, b, by_root),
        peer="frechet-audio-distance's formula",
        tolerance=1e-6,
    )


def _infinity(a: Sequence[np.ndarray], b: Sequence[np.ndarray], distance) -> float:
    def measure(some: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> float:
        return distance(np.concatenate(some), np.concatenate(others))

    return extrapolate(measure, a, b, groups=GROUPS, confidence=0.95).value


def _clouds(width: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Two clouds whose variance fades from direction to direction, as that of embeddings does."""
    random = np.random.default_rng(width)
    fading = np.geomspace(1.0, 0.05, width)
    turn = np.linalg.qr(random.normal(size=(width, width)))[0]
    made, real = random.normal(size=(count, width)), random.normal(0.1, 1.2, (count, width))
    return made * fading @ turn, real * fading @ turn
