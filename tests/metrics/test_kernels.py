"""Kernel distance and neighbourhoods against closed forms and by counting."""

from __future__ import annotations

import math

import numpy as np
import pytest

from disco.errors import DiscoError
from disco.metrics.coverage import Coverage, neighbourhoods
from disco.metrics.kad import Kad
from disco.metrics.kernels import median_distance, mmd_squared, squared_distances
from tests.metrics.clouds import Direct, takes


def test_distances_are_those_of_a_loop() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(1e4, 1, (7, 3)), rng.normal(1e4, 1, (5, 3))
    loop = [[math.dist(x, y) ** 2 for y in b] for x in a]
    assert squared_distances(a, b) == pytest.approx(np.array(loop), rel=1e-6)


def test_the_discrepancy_is_that_of_a_loop_over_pairs() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(9, 4)), rng.normal(0.5, 2, (6, 4))

    def mean(x, y, *, same):
        found = [
            math.exp(-(math.dist(p, q) ** 2) / (2 * 1.5**2))
            for i, p in enumerate(x)
            for j, q in enumerate(y)
            if not (same and i == j)
        ]
        return sum(found) / len(found)

    expected = mean(a, a, same=True) + mean(b, b, same=True) - 2 * mean(a, b, same=False)
    assert mmd_squared(a, b, bandwidth=1.5) == pytest.approx(expected, rel=1e-9)


def test_the_estimate_is_unbiased() -> None:
    found = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        found.append(mmd_squared(rng.normal(size=(10, 3)), rng.normal(size=(10, 3)), bandwidth=2.0))
    assert abs(np.mean(found)) < 3 * np.std(found) / math.sqrt(len(found))
    assert min(found) < 0 < max(found)


def test_the_bandwidth_is_the_median_of_all_pairs() -> None:
    points = np.array([[0.0], [1.0], [3.0]])
    assert median_distance(points) == pytest.approx(2.0)
    assert median_distance(np.ones((4, 2))) == 1.0


def test_one_point_has_no_unbiased_estimate() -> None:
    with pytest.raises(ValueError, match="two or more"):
        mmd_squared(np.ones((1, 2)), np.ones((5, 2)), bandwidth=1.0)


def kad(made, reference) -> dict[str, float]:
    metric = Kad(embedder=Direct(width=4), min_windows=8, groups=10, confidence=0.95)
    metric.update(made, reference)
    return metric.compute()


def test_kad_grows_with_the_distance_and_its_interval_leaves_zero() -> None:
    real = takes(np.random.default_rng(0), 40, windows=3, width=4)
    found = [
        kad(takes(np.random.default_rng(1), 40, windows=3, width=4, shift=shift), real)
        for shift in (0.0, 0.5, 1.5)
    ]
    values = [one["direct"] for one in found]
    assert values == sorted(values)
    assert found[0]["direct/infinity_low"] < 0 < found[0]["direct/infinity_high"]
    assert found[2]["direct/infinity_low"] > 0


def test_neighbourhoods_are_those_of_a_loop() -> None:
    rng = np.random.default_rng(2)
    made, real = rng.normal(size=(12, 3)), rng.normal(0.3, 1, (15, 3))

    def reach(points):
        return [sorted(math.dist(p, q) for q in points)[2] for p in points]

    radius, mine = reach(real), reach(made)
    inside = [[math.dist(r, m) <= radius[i] for i, r in enumerate(real)] for m in made]
    found = neighbourhoods(made, real, nearest=2)
    assert found["precision"] == pytest.approx(np.mean([any(row) for row in inside]))
    assert found["density"] == pytest.approx(np.mean([sum(row) for row in inside]) / 2)
    assert found["coverage"] == pytest.approx(
        np.mean([min(math.dist(r, m) for m in made) <= radius[i] for i, r in enumerate(real)])
    )
    assert found["recall"] == pytest.approx(
        np.mean([any(math.dist(r, m) <= mine[j] for j, m in enumerate(made)) for r in real])
    )


def test_one_good_note_over_and_over_is_precise_and_covers_little() -> None:
    rng = np.random.default_rng(3)
    real = rng.normal(size=(200, 4))
    narrow = neighbourhoods(rng.normal(0, 0.05, (200, 4)), real, nearest=5)
    broad = neighbourhoods(rng.normal(0, 4.0, (200, 4)), real, nearest=5)
    assert narrow["precision"] > 0.95
    assert narrow["recall"] < 0.2
    assert narrow["coverage"] < 0.5
    assert broad["precision"] < 0.5
    assert broad["density"] < 0.3 < narrow["density"]
    assert broad["recall"] > 0.8


def test_equal_sets_are_full_marks() -> None:
    points = np.random.default_rng(4).normal(size=(50, 6))
    found = neighbourhoods(points, points, nearest=5)
    assert found["precision"] == found["recall"] == found["coverage"] == 1.0
    assert found["density"] == pytest.approx(1.0, abs=0.25)


def test_more_neighbours_than_windows_are_refused() -> None:
    few = takes(np.random.default_rng(5), 2, windows=2, width=4)
    metric = Coverage(embedder=Direct(width=4), min_windows=2, nearest=5)
    metric.update(few, few)
    with pytest.raises(DiscoError, match="5 neighbours among 4 windows"):
        metric.compute()
