"""The Fréchet distance against closed forms and SciPy's matrix root."""

import numpy as np
import pytest
import scipy.linalg

from disco.metrics.frechet import frechet_distance


def reference(a, b):
    """Heusel's formula with a general matrix square root."""
    root = scipy.linalg.sqrtm(np.cov(a.T) @ np.cov(b.T))
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(np.cov(a.T) + np.cov(b.T) - 2 * root.real)


@pytest.fixture
def clouds():
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(6, 6))
    return rng.normal(size=(200, 6)) @ mix, rng.normal(size=(150, 6)) + 0.5


def test_equals_the_matrix_root_form(clouds):
    assert frechet_distance(*clouds) == pytest.approx(reference(*clouds), rel=1e-9)


def test_two_scalar_clouds_have_the_textbook_distance():
    rng = np.random.default_rng(1)
    a, b = rng.normal(0, 1, (500, 1)), rng.normal(3, 2, (400, 1))
    expected = (a.mean() - b.mean()) ** 2 + (a.std(ddof=1) - b.std(ddof=1)) ** 2
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-12)


def test_a_shifted_cloud_lies_exactly_its_shift_away(clouds):
    shift = np.array([3.0, 0, 0, 4.0, 0, 0])
    assert frechet_distance(clouds[0], clouds[0] + shift) == pytest.approx(25.0, rel=1e-9)


def test_a_scaled_cloud_follows_the_closed_form(clouds):
    centred = clouds[0] - clouds[0].mean(0)
    expected = (3.0 - 1.0) ** 2 * np.trace(np.cov(centred.T))
    assert frechet_distance(centred, 3.0 * centred) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("n", "m"), [(5, 7), (5, 300), (300, 5)])
def test_fewer_clips_than_dimensions_gives_the_same_as_the_full_form(n, m):
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(n, 40)), rng.normal(size=(m, 40)) * 2 + 1
    # padding by zero dimensions of tiny known spread must not matter; eigenvalues instead of a root
    s, t = np.cov(a.T), np.cov(b.T)
    cross = np.sqrt(np.linalg.eigvals(s @ t).astype(complex)).real.sum()
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(s) + np.trace(t) - 2 * cross
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-5)


def test_equal_sets_are_at_zero_whatever_their_order(clouds):
    shuffled = clouds[0][np.random.default_rng(3).permutation(len(clouds[0]))]
    assert frechet_distance(clouds[0], shuffled) == pytest.approx(0.0, abs=1e-9)
    wide = np.random.default_rng(4).normal(size=(10, 512))
    assert frechet_distance(wide, wide) == pytest.approx(0.0, abs=1e-9)


def test_is_symmetric(clouds):
    assert frechet_distance(*clouds) == pytest.approx(frechet_distance(*reversed(clouds)), rel=1e-12)


def test_constant_embeddings_differ_by_their_means_alone():
    assert frechet_distance(np.full((5, 3), 1.0), np.full((9, 3), 2.0)) == pytest.approx(3.0)


def test_single_precision_input_is_computed_in_double():
    rng = np.random.default_rng(5)
    a = (rng.normal(size=(100, 8)) + 1000).astype(np.float32)
    assert frechet_distance(a, a + np.float32(1)) == pytest.approx(8.0, rel=1e-6)


@pytest.mark.parametrize("bad", [np.zeros((0, 3)), np.zeros((1, 3)), np.array([[np.nan, 0, 0], [1, 1, 1]])])
def test_what_has_no_covariance_is_refused(bad):
    with pytest.raises(ValueError, match=r"two or more|not finite"):
        frechet_distance(bad, np.random.default_rng(0).normal(size=(5, 3)))


def test_different_widths_are_refused():
    with pytest.raises(ValueError, match="width 3 and 4"):
        frechet_distance(np.eye(3), np.eye(4))
