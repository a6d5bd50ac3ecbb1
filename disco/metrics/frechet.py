"""How far two clouds of embeddings lie apart (Heusel et al. 2017, arXiv 1706.08500, equation 6)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

_DEGENERATE = 1e-10  # eigenvalues below this share of the largest: their roots need another way


@dataclass(frozen=True, eq=False)
class Gaussian:
    """A cloud of embeddings as its mean and a factor F of its covariance FᵀF, in double precision.

    The factor has min(n - 1, d) rows, so a few clips in many dimensions stay small and exact. One point is a
    cloud without spread: its factor has no rows.
    """

    mean: Float[np.ndarray, " d"]
    factor: Float[np.ndarray, "r d"]


def fit_gaussian(embeddings: Float[np.ndarray, "n d"]) -> Gaussian:
    """Fit mean and (unbiased) covariance.

    Raises:
        ValueError: fewer than two embeddings, or values that are not finite.
    """
    if embeddings.ndim != 2 or len(embeddings) < 2:
        raise ValueError(f"a covariance needs two or more embeddings [n, d], got shape {embeddings.shape}")
    if not np.isfinite(embeddings).all():
        raise ValueError(f"{np.count_nonzero(~np.isfinite(embeddings))} embedding values are not finite")
    mean = embeddings.mean(axis=0, dtype=np.float64)
    values = np.subtract(embeddings, mean, dtype=np.float64)
    freedom, width = len(values) - 1, values.shape[1]
    if freedom > width:
        return Gaussian(mean, _compact(values) / np.sqrt(freedom))
    # n rows around their mean are n - 1 orthogonal rows: each against the mean of those before it (Helmert)
    counts = np.arange(1.0, len(values))[:, None]
    before = np.cumsum(values[:-1], axis=0) / counts
    return Gaussian(mean, (values[1:] - before) * np.sqrt(counts / (counts + 1) / freedom))


def _compact(values: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "d d"]:
    """Return d rows with the same products: by Cholesky, four times as fast, or where that fails by QR."""
    try:
        factor = np.linalg.cholesky(values.T @ values).T
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.qr(values, mode="r"))
    diagonal = np.square(factor.diagonal())
    if diagonal.min(initial=1.0) < _DEGENERATE * diagonal.max(initial=0.0):
        return np.asarray(np.linalg.qr(values, mode="r"))
    return factor


def gaussian_distance(a: Gaussian, b: Gaussian) -> float:
    """Compute |μa − μb|² + tr(Σa + Σb − 2 (Σa Σb)^½).

    With Σ = FᵀF the trace of the root is the sum of the singular values of Fa Fbᵀ: no matrix root,
    no complex rounding, and no loss of half the digits where a covariance is singular.

    Raises:
        ValueError: the embeddings have different widths.
    """
    if a.mean.shape != b.mean.shape:
        raise ValueError(f"embeddings of width {len(a.mean)} and {len(b.mean)} cannot be compared")
    shift = ((a.mean - b.mean) ** 2).sum()
    spread = (a.factor**2).sum() + (b.factor**2).sum()
    shared = _nuclear_norm(a.factor @ b.factor.T)
    return max(0.0, float(shift + spread - 2.0 * shared))  # rounding may fall below zero by 1e-15


def _nuclear_norm(matrix: Float[np.ndarray, "r s"]) -> float:
    """Sum the singular values: as roots of eigenvalues, faster by far, where none is too small for that."""
    if not matrix.size:
        return 0.0
    small = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    squares = np.linalg.eigvalsh(small @ small.T)
    if squares[0] > _DEGENERATE * squares[-1]:
        return float(np.sqrt(squares).sum())
    return float(np.linalg.svd(matrix, compute_uv=False).sum())


def frechet_distance(a: Float[np.ndarray, "n d"], b: Float[np.ndarray, "m e"]) -> float:
    """Compare two sets of embeddings, one row each; 0 for equal sets, in squared units of an embedding.

    Biased upwards by about 1/n: compare only sets of equal size, or see `disco.metrics.intervals`.

    Raises:
        ValueError: fewer than two rows, different widths, or values that are not finite.
    """
    return gaussian_distance(fit_gaussian(a), fit_gaussian(b))
