"""Extrapolation in 1/N and its intervals, against clouds whose true distance is known."""

from __future__ import annotations

import numpy as np
import pytest

from disco.metrics.frechet import frechet_distance
from disco.metrics.intervals import extrapolate
from disco.metrics.kernels import mmd_squared


def distance(some, others) -> float:
    return frechet_distance(np.concatenate(some), np.concatenate(others))


def songs(rng: np.random.Generator, count: int, width: int, *, shift: float = 0.0, windows: int = 4) -> list:
    """Songs whose windows share half of their variance; all together are a unit Gaussian around `shift`."""
    centres = rng.normal(shift, 0.5**0.5, (count, 1, width))
    return list(centres + rng.normal(0, 0.5**0.5, (count, windows, width)))


def test_what_falls_as_one_over_n_is_extrapolated_to_its_limit() -> None:
    items = list(range(40))
    found = extrapolate(lambda some, _: 5.0 + 12.0 / len(some), items, items, groups=20, confidence=0.95)
    assert found.value == pytest.approx(5.0, rel=1e-9)


def test_a_mean_gets_the_interval_of_the_textbook() -> None:
    values = np.random.default_rng(0).normal(3, 2, 30)
    found = extrapolate(
        lambda some, _: float(np.mean(some)), list(values), list(values), groups=30, confidence=0.95
    )
    error = values.std(ddof=1) / np.sqrt(30)
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx(
        (found.value - 2.0452 * error, found.value + 2.0452 * error), rel=1e-4
    )


def test_a_set_of_its_own_kind_lies_at_zero_where_the_bare_distance_does_not() -> None:
    bare, beyond = [], []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        a, b = songs(rng, 250, 16, windows=4), songs(rng, 250, 16, windows=4)
        bare.append(distance(a, b))
        beyond.append(extrapolate(distance, a, b, groups=10, confidence=0.95).value)
    assert np.mean(bare) > 0.2
    assert abs(np.mean(beyond)) < 0.05


def test_one_take_has_no_interval() -> None:
    with pytest.raises(ValueError, match="two or more takes"):
        extrapolate(distance, [np.eye(3)], [np.eye(3), np.eye(3)], groups=5, confidence=0.9)


@pytest.mark.long
def test_intervals_hold_the_true_fréchet_distance_at_the_nominal_rate() -> None:
    held = 0
    for seed in range(500):
        rng = np.random.default_rng(seed)
        a, b = songs(rng, 60, 4), songs(rng, 60, 4, shift=0.8)
        found = extrapolate(distance, a, b, groups=20, confidence=0.95)
        held += found.low <= 4 * 0.8**2 <= found.high
    assert 0.92 <= held / 500 <= 0.98


@pytest.mark.long
def test_intervals_hold_the_true_kernel_distance_at_the_nominal_rate() -> None:
    width, shift, bandwidth = 4, 0.8, 2.0
    spread = bandwidth**2 + 2.0  # of the difference of two unit Gaussians, seen through the kernel
    peak = (bandwidth**2 / spread) ** (width / 2)
    true = 2 * peak * (1 - np.exp(-width * shift**2 / (2 * spread)))

    def discrepancy(some, others) -> float:
        return mmd_squared(np.concatenate(some), np.concatenate(others), bandwidth=bandwidth)

    held = 0
    for seed in range(500):
        rng = np.random.default_rng(seed)
        # single windows: windows of one song are alike, which an estimate over pairs of windows would count
        a, b = songs(rng, 80, width, windows=1), songs(rng, 80, width, shift=shift, windows=1)
        found = extrapolate(discrepancy, a, b, groups=20, confidence=0.95)
        held += found.low <= true <= found.high
    assert 0.92 <= held / 500 <= 0.98
