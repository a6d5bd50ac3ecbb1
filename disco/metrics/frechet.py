"""How far two clouds of embeddings lie apart (Heusel et al. 2017, arXiv 1706.08500, equation 6)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, eq=False)
class Gaussian:
    """A cloud of embeddings as its mean and a factor F of its covariance FᵀF, in double precision.

    The factor has min(n, d) rows, so a few clips in many dimensions stay small and exact.
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
    values = embeddings.astype(np.float64)
    mean = values.mean(axis=0)
    centred = values - mean
    if len(centred) > centred.shape[1]:
        centred = np.linalg.qr(centred, mode="r")  # same covariance from d rows
    return Gaussian(mean, centred / np.sqrt(len(values) - 1))


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
    shared = np.linalg.svd(a.factor @ b.factor.T, compute_uv=False).sum()
    return max(0.0, float(shift + spread - 2.0 * shared))  # rounding may fall below zero by 1e-15


def frechet_distance(a: Float[np.ndarray, "n d"], b: Float[np.ndarray, "m e"]) -> float:
    """Compare two sets of embeddings, one row each; 0 for equal sets, in squared units of an embedding.

    Biased upwards by about 1/n: compare only sets of equal size.

    Raises:
        ValueError: fewer than two rows, different widths, or values that are not finite.
    """
    return gaussian_distance(fit_gaussian(a), fit_gaussian(b))
