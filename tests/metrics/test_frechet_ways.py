"""The Fréchet distance is one number, whichever way it is worked out."""

from __future__ import annotations

import numpy as np
import pytest

from disco.metrics.frechet import Gaussian, fit_gaussian, frechet_distance, gaussian_distance


def axes(count: int, deviations: np.ndarray, seed: int) -> np.ndarray:
    """A cloud whose covariance is diagonal to the last digit."""
    random = np.random.default_rng(seed)
    whole, _ = np.linalg.qr(random.normal(size=(count, len(deviations))) - 0.0)
    whole -= whole.mean(0)
    whole, _ = np.linalg.qr(whole)
    return whole * deviations * np.sqrt(count - 1)


def by_factors(a: np.ndarray, b: np.ndarray) -> float:
    """The slow way: singular values of the centred points themselves."""
    first, second = ((c - c.mean(0)) / np.sqrt(len(c) - 1) for c in (a, b))
    shared = np.linalg.svd(first @ second.T, compute_uv=False).sum()
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + (first**2).sum() + (second**2).sum() - 2 * shared)


@pytest.mark.parametrize(("n", "m", "width"), [(90, 120, 24), (12, 120, 24), (120, 12, 24), (10, 12, 24)])
def test_many_points_and_few_on_either_side_give_what_the_points_themselves_give(n, m, width) -> None:
    random = np.random.default_rng(n + m)
    mix = random.normal(size=(width, width)) * np.geomspace(1, 0.05, width)
    a, b = random.normal(size=(n, width)) @ mix, random.normal(0.3, 1.4, (m, width)) @ mix
    assert frechet_distance(a, b) == pytest.approx(by_factors(a, b), rel=1e-10)
    assert frechet_distance(b, a) == pytest.approx(by_factors(a, b), rel=1e-10)


def test_a_reference_from_a_file_is_the_reference_itself() -> None:
    random = np.random.default_rng(1)
    a, b = random.normal(size=(200, 16)), random.normal(0.5, 2, (300, 16))
    fitted = fit_gaussian(b)
    read = Gaussian(fitted.mean.copy(), fitted.factor.copy())
    turned = Gaussian(fitted.mean, np.linalg.qr(random.normal(size=(16, 16)))[0] @ fitted.factor)
    expected = gaussian_distance(fit_gaussian(a), fitted)
    assert gaussian_distance(fit_gaussian(a), read) == pytest.approx(expected, rel=1e-12)
    assert gaussian_distance(fit_gaussian(a), turned) == pytest.approx(expected, rel=1e-11), "not triangular"


@pytest.mark.parametrize("smallest", [1e-2, 1e-5, 1e-8, 1e-12])
def test_directions_that_hardly_vary_cost_no_digits(smallest: float) -> None:
    """Deviations that differ by orders of magnitude, as in embeddings behind a rectifier."""
    wide = np.geomspace(1.0, smallest, 40)
    narrow = wide[::-1] * 0.7
    a, b = axes(300, wide, 0), axes(400, narrow, 1)
    assert frechet_distance(a, b) == pytest.approx(float(((wide - narrow) ** 2).sum()), rel=1e-9)
    near = axes(400, wide * 1.001, 1)
    assert frechet_distance(a, near) == pytest.approx(float((1e-6 * wide**2).sum()), rel=1e-6)


def test_one_point_has_no_spread() -> None:
    b = np.random.default_rng(2).normal(size=(50, 6))
    one = Gaussian(np.zeros(6), np.zeros((0, 6)))
    expected = float((b.mean(0) ** 2).sum() + np.trace(np.cov(b.T)))
    assert gaussian_distance(one, fit_gaussian(b)) == pytest.approx(expected, rel=1e-12)
    assert gaussian_distance(fit_gaussian(b), one) == pytest.approx(expected, rel=1e-12)
