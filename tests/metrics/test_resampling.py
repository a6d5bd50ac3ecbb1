"""Intervals hold the true mean as often as they say, and chance is rarely called a difference."""

from __future__ import annotations

import numpy as np
import pytest

from disco.metrics.resampling import holm, mean_interval, share_interval, sign_flip, summary_interval


def test_an_interval_holds_the_true_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(80):
        low, high = mean_interval(rng.normal(3.0, 2.0, 40), resamples=300, confidence=0.9)
        held += low <= 3.0 <= high
    assert 0.8 <= held / 80 <= 0.97


def test_an_interval_does_not_depend_on_the_order_and_one_value_has_none() -> None:
    values = np.random.default_rng(2).normal(size=12)
    one = mean_interval(values, resamples=100, confidence=0.95)
    assert mean_interval(values[::-1].copy(), resamples=100, confidence=0.95) == one
    with pytest.raises(ValueError, match="two or more"):
        mean_interval(values[:1], resamples=100, confidence=0.95)


def test_a_share_of_all_is_not_sure() -> None:
    low, high = share_interval(6, 6, confidence=0.95)
    assert (low, high) == (pytest.approx(0.610, abs=1e-3), 1.0)
    assert share_interval(5, 10, confidence=0.95) == pytest.approx((0.2366, 0.7634), abs=1e-4)


def test_a_mean_by_any_function_has_the_interval_of_a_mean() -> None:
    values = np.random.default_rng(3).normal(size=30)
    found = summary_interval(lambda some: float(values[some].mean()), 30, resamples=500, confidence=0.95)
    assert found == pytest.approx(mean_interval(values, resamples=500, confidence=0.95), abs=0.1)
    assert summary_interval(lambda some: float("nan"), 30, resamples=10, confidence=0.95) is None


def test_sign_flips_are_exact_for_few_and_near_for_many() -> None:
    assert sign_flip(np.ones(5)) == 2 / 32
    assert sign_flip(np.zeros(5)) == 1.0
    rng = np.random.default_rng(4)
    chance = np.array([sign_flip(rng.normal(size=10)) for _ in range(100)])
    assert (chance < 0.05).mean() <= 0.12
    assert sign_flip(rng.normal(1.0, 1.0, 60)) < 1e-3


def test_holm_adjusts_each_by_how_many_are_left() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []
