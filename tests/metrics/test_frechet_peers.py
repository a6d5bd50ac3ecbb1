"""The Fréchet distance beside the formulas of the packages in use, on the same embeddings."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

from disco.metrics.frechet import fit_gaussian, frechet_distance, gaussian_distance


def by_root(a: np.ndarray, b: np.ndarray) -> float:
    """frechet-audio-distance: the root of the product of covariances, its real part."""
    one, two = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(one @ two)
    apart = a.mean(0) - b.mean(0)
    return float(apart @ apart + np.trace(one) + np.trace(two) - 2 * np.trace(root.real))


def by_eigenvalues(a: np.ndarray, b: np.ndarray) -> float:
    """fadtk: the root by the eigenvectors of the product."""
    one, two = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    values, vectors = scipy.linalg.eig(one @ two)
    root = (vectors * np.emath.sqrt(values)) @ np.linalg.inv(vectors)
    apart = a.mean(0) - b.mean(0)
    return float(apart @ apart + np.trace(one) + np.trace(two) - 2 * np.trace(root.real))


@pytest.fixture(params=[(300, 280, 16), (900, 1200, 64)], ids=str)
def clouds(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    n, m, width = request.param
    rng = np.random.default_rng(n)
    fading = np.geomspace(1.0, 0.03, width)  # as real embeddings: few directions hold most of the variance
    mix = rng.normal(size=(width, width))
    return rng.normal(size=(n, width)) * fading @ mix, rng.normal(0.2, 1.3, (m, width)) * fading @ mix


@pytest.mark.parity
@pytest.mark.parametrize("theirs", [by_root, by_eigenvalues])
def test_equals_the_peers_formulas(clouds, theirs) -> None:
    assert frechet_distance(*clouds) == pytest.approx(theirs(*clouds), rel=1e-6)


@pytest.mark.parity
def test_single_precision_embeddings_give_the_same(clouds) -> None:
    single = [cloud.astype(np.float32) for cloud in clouds]
    assert frechet_distance(*single) == pytest.approx(by_root(*clouds), rel=1e-5)


def test_what_lies_in_a_plane_of_a_wide_space_is_measured_as_in_the_plane() -> None:
    rng = np.random.default_rng(1)
    turn, _ = np.linalg.qr(rng.normal(size=(40, 40)))
    a, b = rng.normal(size=(200, 2)), rng.normal(1, 2, (150, 2))
    wide = [np.pad(cloud, ((0, 0), (0, 38))) @ turn for cloud in (a, b)]
    assert frechet_distance(wide[0], wide[1]) == pytest.approx(frechet_distance(a, b), rel=1e-9)


def test_more_windows_than_dimensions_and_fewer_agree_where_they_meet() -> None:
    rng = np.random.default_rng(2)
    few, many = rng.normal(size=(30, 29)), rng.normal(size=(30, 29)) + 1
    padded = [np.pad(cloud, ((0, 0), (0, 1))) for cloud in (few, many)]  # now fewer windows than dimensions
    assert frechet_distance(*padded) == pytest.approx(frechet_distance(few, many), rel=1e-9)


def test_a_set_far_from_the_origin_keeps_its_digits() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(400, 12)), rng.normal(0.5, 1, (300, 12))
    assert frechet_distance(a + 1e5, b + 1e5) == pytest.approx(frechet_distance(a, b), rel=1e-6)


def test_the_fitted_factor_is_a_root_of_the_covariance() -> None:
    rng = np.random.default_rng(4)
    for shape in ((50, 9), (9, 50)):
        cloud = rng.normal(size=shape)
        factor = fit_gaussian(cloud).factor
        assert np.allclose(factor.T @ factor, np.cov(cloud.T), atol=1e-12)
        assert len(factor) == min(shape[0] - 1, shape[1])


def test_a_constant_dimension_is_no_trouble() -> None:
    rng = np.random.default_rng(5)
    a = rng.normal(size=(100, 6))
    a[:, 2] = 4.0
    assert frechet_distance(a, a[::-1]) == pytest.approx(0.0, abs=1e-6)
    b = a.copy()
    b[:, 2] = 6.0
    assert gaussian_distance(fit_gaussian(a), fit_gaussian(b)) == pytest.approx(4.0, rel=1e-6)
