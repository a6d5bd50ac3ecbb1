"""How far two clouds of embeddings lie apart (Heusel et al. 2017, arXiv 1706.08500, equation 6)."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

_DEGENERATE = 1e-10  # of the largest: below this share of it a diagonal of Cholesky has lost its digits
_DIGITS = 1e-9  # share of a distance that rounding may move before the slower way is taken
_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class Gaussian:
    """A cloud of embeddings: its mean and rows R whose products RᵀR are its covariance, in double precision.

    One point is a cloud without spread: it has no rows.
    """

    mean: Float[np.ndarray, " d"]
    rows: Float[np.ndarray, "n d"]

    @cached_property
    def covariance(self) -> Float[np.ndarray, "d d"]:
        """The (unbiased) covariance."""
        return self.rows.T @ self.rows

    @cached_property
    def factor(self) -> Float[np.ndarray, "r d"]:
        """As few rows with the same products as there can be: at most d, and upper triangular where d."""
        return self.rows if len(self.rows) <= len(self.mean) else _compact(self.rows, self.covariance)

    @cached_property
    def is_triangular(self) -> bool:
        """Whether the factor is upper triangular: ours are, one that somebody else wrote need not be."""
        return self.factor.shape[0] == self.factor.shape[1] and not np.tril(self.factor, -1).any()

    @cached_property
    def variance(self) -> float:
        """The trace of the covariance."""
        if len(self.rows) > len(self.mean):
            return float(self.covariance.trace())
        return float(np.vdot(self.rows, self.rows))

    @cached_property
    def size(self) -> float:
        """No less than the largest eigenvalue of the covariance, by what costs little."""
        many = len(self.rows) > len(self.mean)
        return float(np.linalg.norm(self.covariance)) if many else self.variance


def fit_gaussian(embeddings: Float[np.ndarray, "n d"]) -> Gaussian:
    """Fit mean and (unbiased) covariance.

    Raises:
        ValueError: fewer than two embeddings, or values that are not finite.
    """
    if embeddings.ndim != 2 or len(embeddings) < 2:
        raise ValueError(f"a covariance needs two or more embeddings [n, d], got shape {embeddings.shape}")
    mean = embeddings.mean(axis=0, dtype=np.float64)
    if not np.isfinite(mean).all():  # one value that is not finite is enough
        raise ValueError(f"{np.count_nonzero(~np.isfinite(embeddings))} embedding values are not finite")
    values = np.subtract(embeddings, mean, dtype=np.float64)
    freedom, width = len(values) - 1, values.shape[1]
    if freedom > width:
        values *= 1.0 / np.sqrt(freedom)
        return Gaussian(mean, values)
    # n rows around their mean are n - 1 orthogonal rows: each against the mean of those before it (Helmert)
    counts = np.arange(1.0, len(values))[:, None]
    before = np.cumsum(values[:-1], axis=0) / counts
    return Gaussian(mean, (values[1:] - before) * np.sqrt(counts / (counts + 1) / freedom))


def gaussian_distance(a: Gaussian, b: Gaussian) -> float:
    """Compute |μa − μb|² + tr(Σa + Σb − 2 (Σa Σb)^½).

    With Σb = FᵀF the trace of the root is the sum of the roots of the eigenvalues of F Σa Fᵀ, which is
    symmetric: no matrix root, no eigenvectors, no complex rounding. `b` keeps F, so let it be the cloud that
    several others are compared with. Where a root of small eigenvalues would lose digits of the distance,
    the sum is taken of singular values of both factors instead, which loses none.

    Raises:
        ValueError: the embeddings have different widths.
    """
    if a.mean.shape != b.mean.shape:
        raise ValueError(f"embeddings of width {len(a.mean)} and {len(b.mean)} cannot be compared")
    apart = float(((a.mean - b.mean) ** 2).sum()) + a.variance + b.variance
    if not len(a.rows) or not len(b.rows):
        return apart
    found = from_squares(np.linalg.eigvalsh(_product(a, b)), apart, a.size * b.size)
    if found is not None:
        return found
    shared = np.linalg.svd(a.factor @ b.factor.T, compute_uv=False).sum()
    return max(0.0, apart - 2.0 * float(shared))  # rounding may fall below zero by 1e-15


def from_squares(squares: Float[np.ndarray, " r"], apart: float, size: float) -> float | None:
    """Return a distance by the eigenvalues of the product of covariances; None where it would lose digits.

    `apart` is all of it but the shared part; `size` no less than the largest eigenvalue can be.
    """
    roots = np.sqrt(squares.clip(0.0))
    distance = apart - 2.0 * float(roots.sum())
    # An eigenvalue is off by at most `doubt`, its root by the more the smaller it is.
    doubt = _EPSILON * size
    off = (doubt / np.maximum(roots, max(np.sqrt(doubt), 1e-300))).sum()
    return None if off > _DIGITS * distance else max(0.0, distance)


def frechet_distance(a: Float[np.ndarray, "n d"], b: Float[np.ndarray, "m e"]) -> float:
    """Compare two sets of embeddings, one row each; 0 for equal sets, in squared units of an embedding.

    Biased upwards by about 1/n: compare only sets of equal size, or see `disco.metrics.intervals`.

    Raises:
        ValueError: fewer than two rows, different widths, or values that are not finite.
    """
    return gaussian_distance(fit_gaussian(a), fit_gaussian(b))


def _product(a: Gaussian, b: Gaussian) -> Float[np.ndarray, "r r"]:
    """Return, in its lower triangle, a symmetric matrix with the nonzero eigenvalues of Σa Σb."""
    width = len(a.mean)
    if len(a.rows) > width:
        return _congruent(b.factor, a.covariance) if b.is_triangular else b.factor @ a.covariance @ b.factor.T
    both = _onto(a.rows, b.factor) if b.is_triangular else a.rows @ b.factor.T
    return both @ both.T if len(both) <= both.shape[1] else both.T @ both


def _onto(rows: Float[np.ndarray, "n d"], factor: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "n d"]:
    """Return R Fᵀ for an upper triangular F, with half the operations."""
    from scipy.linalg import blas

    return blas.dtrmm(1.0, factor.T, rows.T, lower=1, trans_a=1).T  # pyright: ignore[reportAttributeAccessIssue]


def _congruent(factor: Float[np.ndarray, "d d"], covariance: Float[np.ndarray, "d d"]) -> np.ndarray:
    """Return the lower triangle of F Σ Fᵀ for an upper triangular F, with half the operations."""
    from scipy.linalg import lapack

    found, failed = lapack.dsygst(covariance, factor.T, itype=2, lower=1)  # pyright: ignore[reportAttributeAccessIssue]
    assert not failed, "LAPACK takes what it is given"
    return found


def _compact(rows: Float[np.ndarray, "n d"], covariance: Float[np.ndarray, "d d"]) -> np.ndarray:
    """Return d rows with the same products: by Cholesky, four times as fast, or where that fails by QR."""
    try:
        factor = np.linalg.cholesky(covariance).T
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.qr(rows, mode="r"))
    diagonal = np.square(factor.diagonal())
    if diagonal.min(initial=1.0) < _DEGENERATE * diagonal.max(initial=0.0):
        return np.asarray(np.linalg.qr(rows, mode="r"))
    return factor
