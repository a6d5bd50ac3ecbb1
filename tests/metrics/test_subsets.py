"""Distances of many subsets of one set are those of each subset by itself."""

from __future__ import annotations

import numpy as np
import pytest

from disco.metrics.frechet import Gaussian, fit_gaussian, frechet_distance, gaussian_distance
from disco.metrics.subsets import Subsets, without_mean


def clouds(width: int, count: int, *, smallest: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng([width, count])
    fading = np.geomspace(1.0, smallest, width)
    turn = np.linalg.qr(random.normal(size=(width, width)))[0]
    made, real = random.normal(0.3, 1.1, (count, width)), random.normal(size=(4 * width, width))
    return made * fading @ turn + 5.0, real * fading @ turn + 5.0


@pytest.mark.parametrize("size", [2, 3, 20, 39, 41, 90], ids=lambda size: f"{size}-rows")
@pytest.mark.parametrize("repeated", [False, True], ids=["once", "repeated"])
def test_a_subset_lies_as_far_as_it_does_by_itself(size: int, repeated: bool) -> None:
    made, real = clouds(40, 100)
    reference = fit_gaussian(real)
    subsets = Subsets(made, reference)
    rows = np.random.default_rng(size).choice(len(made), size=size, replace=repeated)
    expected = gaussian_distance(fit_gaussian(made[rows]), reference)
    assert subsets.distance(rows) == pytest.approx(expected, rel=1e-9)
    assert subsets.distance(rows[::-1]) == pytest.approx(expected, rel=1e-9)


def test_directions_that_hardly_vary_cost_no_digits() -> None:
    made, real = clouds(30, 25, smallest=1e-9)
    rows = np.arange(20)
    expected = frechet_distance(made[rows], real)
    assert Subsets(made, fit_gaussian(real)).distance(rows) == pytest.approx(expected, rel=1e-9)


def test_a_reference_of_few_windows_or_one_that_holds_the_subset_is_met_exactly() -> None:
    made, real = clouds(30, 25)
    few = fit_gaussian(real[:8])
    expected = frechet_distance(made[:12], real[:8])
    assert Subsets(made, few).distance(np.arange(12)) == pytest.approx(expected, rel=1e-9)
    assert Subsets(made, fit_gaussian(made)).distance(np.arange(25)) == pytest.approx(0.0, abs=1e-9)


def test_the_mean_of_weighted_rows_is_turned_away() -> None:
    random = np.random.default_rng(0)
    rows, counts = random.normal(3.0, 1.0, (7, 5)), random.integers(1, 4, 7).astype(float)
    weighted = rows * np.sqrt(counts)[:, None]
    around = np.sqrt(counts)[:, None] * (rows - counts @ rows / counts.sum())
    found = without_mean(weighted @ weighted.T, np.sqrt(counts))
    assert found.shape == (6, 6)
    assert np.linalg.eigvalsh(found) == pytest.approx(np.linalg.eigvalsh(around @ around.T)[1:], abs=1e-10)


def test_what_has_no_spread_or_another_width_is_refused() -> None:
    made, real = clouds(6, 9)
    with pytest.raises(ValueError, match="width 6"):
        Subsets(made[:, :4], fit_gaussian(real))
    with pytest.raises(ValueError, match="two or more"):
        Subsets(made, fit_gaussian(real)).distance(np.array([3]))
    point = Subsets(made, Gaussian(real[0], np.zeros((0, 6)))).distance(np.array([0, 1]))
    assert point == pytest.approx(frechet_distance(made[:2], real[:1].repeat(2, 0)), rel=1e-9)
