"""Intervals hold the true value as often as they say, and chance is rarely called a difference."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from disco.apps.differences import compare
from disco.apps.scores import Cell, Found, Sample
from disco.metrics.resampling import holm, mean_interval, share_interval, sign_flip, summary_interval

SIMULATIONS = 500
NOMINAL = (0.92, 0.98)  # of 95 %: three standard errors of 500 simulations


def normal(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.normal(3.0, 2.0, count)


def skewed(rng: np.random.Generator, count: int) -> np.ndarray:
    """Scores as they are: within 0 and 1, many near the top; mean 5/7."""
    return rng.beta(2.5, 1.0, count)


@pytest.mark.slow
@pytest.mark.parametrize(("draw", "true"), [(normal, 3.0), (skewed, 5 / 7)], ids=["normal", "skewed"])
@pytest.mark.parametrize("count", [12, 40])
def test_an_interval_holds_the_true_mean_as_often_as_it_says(
    draw: Callable[[np.random.Generator, int], np.ndarray], true: float, count: int
) -> None:
    held = 0
    for seed in range(SIMULATIONS):
        values = draw(np.random.default_rng([seed, count]), count)
        low, high = mean_interval(values, resamples=1000, confidence=0.95)
        held += low <= true <= high
    assert NOMINAL[0] <= held / SIMULATIONS <= NOMINAL[1]


@pytest.mark.parametrize("true", [0.5, 0.9])
def test_an_interval_holds_the_true_share_as_often_as_it_says(true: float) -> None:
    counts = np.random.default_rng(0).binomial(30, true, SIMULATIONS)
    ends = [share_interval(int(count), 30, confidence=0.95) for count in counts]
    held = np.mean([low <= true <= high for low, high in ends])
    assert NOMINAL[0] <= held <= NOMINAL[1]


@pytest.mark.slow
def test_an_interval_holds_the_true_correlation_as_often_as_it_says() -> None:
    held = 0
    for seed in range(SIMULATIONS):
        left = np.random.default_rng(seed).normal(size=(30, 2))
        pairs = left @ np.array([[1.0, 0.6], [0.0, 0.8]])  # of unit spread, correlated by 0.6

        def together(some: list[int], pairs: np.ndarray = pairs) -> float:
            return float(np.corrcoef(pairs[some].T)[0, 1])

        found = summary_interval(together, 30, resamples=200, confidence=0.95)
        assert found is not None
        held += found[0] <= 0.6 <= found[1]
    assert NOMINAL[0] - 0.01 <= held / SIMULATIONS <= NOMINAL[1]


def evaluation(values: np.ndarray) -> Found:
    """What `scripts/evaluate.py` leaves of takes with these values."""
    samples = [
        Sample(
            system="made",
            name=f"made-{k:03d}",
            pair=f"{k:03d}",
            file=f"{k}.wav",
            caption=None,
            sound=str(k),
            reference=None,
            values={"key/mirex": float(value)},
        )
        for k, value in enumerate(values)
    ]
    cell = Cell(value=float(values.mean()), takes=len(values), higher_is_better=True)
    return Found(systems={"made": {"key/mirex": cell}}, samples=samples)


@pytest.mark.slow
@pytest.mark.parametrize("gain", [0.0, 0.6])
def test_the_interval_of_a_paired_difference_holds_it_as_often_as_it_says(gain: float) -> None:
    held = claimed = 0
    for seed in range(SIMULATIONS):
        rng = np.random.default_rng(seed)
        wish = rng.normal(0.0, 3.0, 12)  # some wishes are harder than others, for both
        first, second = (evaluation(wish + more + rng.normal(0.0, 0.5, 12)) for more in (0.0, gain))
        one = compare(first, second, ("a", "b"), system="made", level=0.05).differences["key/mirex"]
        assert one.low is not None
        assert one.high is not None
        held += one.low <= gain <= one.high
        claimed += one.claimed
    assert NOMINAL[0] <= held / SIMULATIONS <= NOMINAL[1]
    if gain:
        assert claimed / SIMULATIONS > 0.6, "pairing takes out how hard the wishes are"
    else:
        assert claimed / SIMULATIONS <= 0.08, "what is not there is claimed in 5 of 100"


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
