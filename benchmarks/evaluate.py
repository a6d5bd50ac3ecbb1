"""The Fréchet distance and FAD∞ beside the packages in use: what users of each call, on the same embeddings.

Ours is fitting a set and comparing it with a reference that was fitted before, as it lies in a file of
statistics. The peers' is what their `score` does with embeddings: mean and `np.cov` of both sides, and the
distance. fadtk keeps the statistics of its reference in a file too, so there they are not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import scipy.linalg

from benchmarks.side_by_side import ROUNDS, Contest
from disco.metrics.frechet import fit_gaussian, gaussian_distance
from disco.metrics.subsets import Subsets

POINTS = 25  # of a FAD∞, as fadtk takes them
Statistics = tuple[np.ndarray, np.ndarray]


def fad_package(a: np.ndarray, b: np.ndarray) -> float:
    """As frechet-audio-distance since 0.3.0: the root of the product of covariances, taken as complex."""
    return _by_root(_statistics(a), _statistics(b), complex)


def pytorch_fid(a: np.ndarray, b: np.ndarray) -> float:
    """As pytorch-fid, and frechet-audio-distance before: the same in real numbers."""
    return _by_root(_statistics(a), _statistics(b), float)


def fadtk(a: np.ndarray, known: Statistics) -> float:
    """As fadtk: the root once by Schur and once by eigenvectors, the two compared."""
    (mean, one), (other_mean, two) = _statistics(a), known
    product = one.dot(two)
    root = scipy.linalg.sqrtm(product)
    values, vectors = scipy.linalg.eig(product)
    other = (vectors * np.emath.sqrt(values)) @ scipy.linalg.inv(vectors)
    assert abs(np.trace(root).real - np.trace(other).real) < 1e-2 * len(product)
    apart = mean - other_mean
    return float(apart.dot(apart) + np.trace(one) + np.trace(two) - 2 * np.trace(other.real))


def contests() -> list[Contest]:
    """Return whole distances, distances with fewer windows than dimensions, and an extrapolation."""
    found = []
    for width, count in ((128, 1000), (512, 2000), (768, 3000), (1024, 200), (2048, 500)):
        a, b = _clouds(width, count)
        known, statistics = fit_gaussian(b), _statistics(b)
        few = count < width
        peers: dict[str, Callable[[], float]] = {
            "frechet-audio-distance": lambda a=a, b=b: fad_package(a, b),
            "pytorch-fid": lambda a=a, b=b: pytorch_fid(a, b),
            "fadtk": lambda a=a, known=statistics: fadtk(a, known),
        }
        named = [peer for peer in peers if width < 2048 or peer == "fadtk"]  # half a minute each there
        found += [
            Contest(
                name=f"Fréchet distance, {width} dimensions, {count} windows",
                ours=lambda a=a, known=known: gaussian_distance(fit_gaussian(a), known),
                theirs=peers[peer],
                peer=peer,
                tolerance=1e-6,
                rounds=1 if width == 2048 else ROUNDS,
                target=None if width < 512 or peer == "pytorch-fid" else 100.0 if few else 10.0,
            )
            for peer in named
        ]
    return [*found, _infinity()]


def _infinity() -> Contest:
    """FAD∞ as fadtk has it: 25 sets of growing size, drawn with replacement, and the line through 1/n.

    What ours can be at most is bound by the eigenvalues of one symmetric matrix per set, as large as it has
    different windows; the wider the embeddings, the larger the ratio.
    """
    width = 768
    a, _ = _clouds(width, 500)
    _, reference = _clouds(width, 2000)
    known, statistics = fit_gaussian(reference), _statistics(reference)
    known.factor  # noqa: B018  kept in a file, as their covariance is
    sizes = np.linspace(100, len(a), POINTS).astype(int)
    random = np.random.default_rng(0)
    drawn = [random.choice(len(a), size=size, replace=True) for size in sizes]

    def ours() -> float:
        subsets = Subsets(a, known)
        return _intercept(sizes, [subsets.distance(rows) for rows in drawn])

    return Contest(
        name=f"FAD∞ of {POINTS} distances, {width} dimensions, {sizes[0]} to {sizes[-1]} windows",
        ours=ours,
        theirs=lambda: _intercept(sizes, [fadtk(a[rows], statistics) for rows in drawn]),
        peer="fadtk",
        tolerance=1e-6,
        rounds=1,  # a minute each
        target=100.0,
    )


def _intercept(sizes: np.ndarray, distances: Sequence[float]) -> float:
    return float(np.polyfit(1 / sizes, distances, 1)[1])


def _statistics(points: np.ndarray) -> Statistics:
    return np.mean(points, axis=0), np.cov(points, rowvar=False)


def _by_root(first: Statistics, second: Statistics, kind: type) -> float:
    (mean, one), (other_mean, two) = first, second
    root = scipy.linalg.sqrtm(one.dot(two).astype(kind))
    apart = mean - other_mean
    return float(apart.dot(apart) + np.trace(one) + np.trace(two) - 2 * np.trace(root.real))


def _clouds(width: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Two clouds whose variance fades from direction to direction, as that of embeddings does."""
    random = np.random.default_rng(width)
    fading = np.geomspace(1.0, 0.05, width)
    turn = np.linalg.qr(random.normal(size=(width, width)))[0]
    made, real = random.normal(size=(count, width)), random.normal(0.1, 1.2, (count, width))
    return made * fading @ turn, real * fading @ turn
