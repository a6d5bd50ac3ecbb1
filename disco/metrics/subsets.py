"""Fréchet distances of many subsets of one set, as an extrapolation over its size asks for."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from disco.metrics.frechet import Gaussian, fit_gaussian, from_squares, gaussian_distance


class Subsets:
    """Embeddings of which any rows, also repeated ones, are held against one reference.

    With as few rows as dimensions the covariances meet only in the products of embeddings behind the factor
    of the reference, A FᵀF Aᵀ. These are worked out once for all rows; a subset picks its own, weighs rows
    that it holds several times, and turns its mean away by one reflection. What is left per subset is a
    symmetric eigenvalue problem as large as it has different rows. Larger subsets are fitted as any cloud is.

    Args:
        embeddings: one row each.
        reference: what subsets are held against.

    Raises:
        ValueError: the embeddings have another width than the reference.
    """

    def __init__(self, embeddings: Float[np.ndarray, "n d"], reference: Gaussian) -> None:
        if embeddings.ndim != 2 or embeddings.shape[1] != len(reference.mean):
            raise ValueError(f"a reference of width {len(reference.mean)}, embeddings {embeddings.shape}")
        self.points = embeddings.astype(np.float64)
        self.reference = reference

    @cached_property
    def _around(self) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, " n"], Float[np.ndarray, "n n"]]:
        """Embeddings around the mean of all, their squared lengths, and their products behind the factor."""
        points = self.points - self.points.mean(axis=0)
        seen = points @ self.reference.factor.T
        return points, np.einsum("nd,nd->n", points, points), seen @ seen.T

    def distance(self, rows: Int[np.ndarray, " m"]) -> float:
        """Return the distance of these rows from the reference, as `gaussian_distance` of their fit.

        Raises:
            ValueError: fewer than two rows.
        """
        unlike, counts = np.unique(rows, return_counts=True)
        if not 2 <= len(unlike) <= len(self.reference.factor):
            return gaussian_distance(fit_gaussian(self.points[rows]), self.reference)
        points, lengths, products = self._around
        freedom = len(rows) - 1.0
        mean = counts @ points[unlike] / len(rows)
        variance = float(counts @ lengths[unlike] - len(rows) * (mean @ mean)) / freedom
        apart = mean + self.points.mean(axis=0) - self.reference.mean
        root = np.sqrt(counts / freedom)
        shared = without_mean(products[np.ix_(unlike, unlike)] * np.outer(root, root), np.sqrt(counts))
        found = from_squares(
            np.linalg.eigvalsh(shared),
            float(apart @ apart) + variance + self.reference.variance,
            variance * self.reference.size,
        )
        if found is None:
            return gaussian_distance(fit_gaussian(self.points[rows]), self.reference)
        return found


def without_mean(
    products: Float[np.ndarray, "n n"], weights: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "m m"]:
    """Return the products of n weighted rows around their mean, as those of n − 1 rows.

    The mean is what the rows have along `weights`, roots of how often each counts. A reflection that turns
    this direction into the first axis (Householder) leaves the rest in the others.
    """
    normal = weights / np.linalg.norm(weights)
    normal[0] += 1.0  # all weights are above 0: nothing cancels
    normal *= np.sqrt(2.0) / np.linalg.norm(normal)
    image = products @ normal
    side = image - 0.5 * (normal @ image) * normal
    turned = products[1:, 1:] - np.outer(normal[1:], side[1:])
    turned -= np.outer(side[1:], normal[1:])
    return turned
