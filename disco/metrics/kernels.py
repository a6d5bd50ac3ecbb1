"""Maximum mean discrepancy: a distance between clouds that assumes no shape (Gretton et al. 2012)."""

import numpy as np
from jaxtyping import Float


def squared_distances(a: Float[np.ndarray, "n d"], b: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "n m"]:
    """Return the squared distance of each row of `a` to each row of `b`, never below 0."""
    centre = b.mean(0)  # far from the origin the products would lose digits
    a, b = a - centre, b - centre
    found = np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * a @ b.T
    return np.maximum(found, 0.0)


def median_distance(points: Float[np.ndarray, "n d"]) -> float:
    """Return the median distance between two rows: the usual width of a kernel; 1 if all coincide."""
    found = squared_distances(points, points)[np.triu_indices(len(points), 1)]
    return float(np.sqrt(np.median(found))) or 1.0


def mmd_squared(a: Float[np.ndarray, "n d"], b: Float[np.ndarray, "m d"], *, bandwidth: float) -> float:
    """Estimate the squared discrepancy under a Gaussian kernel without bias, so at times below 0.

    Raises:
        ValueError: fewer than two rows on a side.
    """
    if min(len(a), len(b)) < 2:
        raise ValueError(f"an unbiased estimate needs two or more rows a side, got {len(a)} and {len(b)}")

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.exp(-squared_distances(x, y) / (2 * bandwidth**2))

    def within(x: np.ndarray) -> float:
        found = kernel(x, x)
        return float((found.sum() - found.trace()) / (len(x) * (len(x) - 1)))

    return within(a) + within(b) - 2 * float(kernel(a, b).mean())
