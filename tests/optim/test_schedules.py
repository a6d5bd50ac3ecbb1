"""Learning rates at points where their closed form is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from disco.errors import DiscoError
from disco.optim.schedules import (
    Constant,
    Cosine,
    InverseLR,
    InverseSqrt,
    Linear,
    Polynomial,
    Schedule,
    WarmupStableDecay,
)

TOTAL, RISE = 1000, 100
POINTS = (100, 101, 325, 550, 775, 1000)  # the end of the warm-up, one step on, quarters of the rest
# The factor at a step after the warm-up, by t = steps since it and x = share of the rest.
CLOSED: dict[str, tuple[Schedule, Callable[[int, float], float]]] = {
    "constant": (Constant(warmup=0.1), lambda t, x: 1.0),
    "linear": (Linear(warmup=0.1, final=0.2), lambda t, x: 1.0 - 0.8 * x),
    "cosine": (
        Cosine(warmup=0.1, final=0.2),
        lambda t, x: 0.2 + 0.8 * math.cos(math.pi * x / 2) ** 2,
    ),
    "polynomial": (Polynomial(warmup=0.1, final=0.2, power=2.0), lambda t, x: 0.2 + 0.8 * (1 - x) ** 2),
    "inverse_sqrt": (InverseSqrt(warmup=100), lambda t, x: (100 / (101 + t)) ** 0.5),
    "inverse_lr": (
        InverseLR(warmup=100, gamma=300.0, power=0.5),
        lambda t, x: 1 / math.sqrt(1 + t / 300),
    ),
    "wsd": (
        WarmupStableDecay(warmup=100, decay=0.5, final=0.0),
        lambda t, x: 1.0 if t < 400 else 1 - math.sqrt((t - 400) / 500),
    ),
}


@pytest.mark.parametrize("name", CLOSED)
def test_values_are_those_of_the_closed_form(name: str) -> None:
    schedule, closed = CLOSED[name]
    for step in POINTS:
        since = step - RISE
        expected = closed(since, since / (TOTAL - RISE))
        assert schedule.factor(step, TOTAL) == pytest.approx(expected, abs=1e-12), step


@pytest.mark.parametrize("name", CLOSED)
def test_warm_up_rises_in_equal_steps_to_the_peak(name: str) -> None:
    schedule, _ = CLOSED[name]
    assert [schedule.factor(step, TOTAL) for step in (0, 24, 49, 99)] == pytest.approx([0.01, 0.25, 0.5, 1.0])


@pytest.mark.parametrize("name", CLOSED)
def test_never_rises_again(name: str) -> None:
    schedule, _ = CLOSED[name]
    after = [schedule.factor(step, TOTAL) for step in range(RISE, TOTAL + 50)]
    assert all(now >= then >= 0 for now, then in pairwise(after))


def one_weight(lr: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(nn.Linear(1, 1, bias=False).parameters(), lr=lr)


def rates(optimizer: torch.optim.Optimizer, scheduler: torch.optim.lr_scheduler.LRScheduler) -> list[float]:
    found = []
    for _ in range(50):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_cosine_without_warm_up_is_the_annealing_of_the_guide() -> None:
    plain, mine = one_weight(1e-4), one_weight(1e-4)
    guide = rates(plain, CosineAnnealingLR(plain, T_max=50, eta_min=1e-6))
    assert rates(mine, Cosine(warmup=0.0, final=0.01).attach(mine, 50)) == pytest.approx(guide, rel=1e-9)


def test_warm_up_is_a_share_below_one_and_steps_from_one_on() -> None:
    assert [Constant(warmup=warmup).rise(400) for warmup in (0.0, 0.001, 0.05, 1, 300)] == [0, 1, 20, 1, 300]
    with pytest.raises(ValueError, match=r"warmup=1\.5 is neither"):
        Constant(warmup=1.5)


def test_a_warm_up_longer_than_the_run_is_refused_with_both_numbers() -> None:
    with pytest.raises(DiscoError, match=r"takes 4000 steps, and the run has 400; give a share"):
        Constant(warmup=4000).check(400)
    Constant(warmup=400).check(400)
