"""Forgetting: deltas in the right direction, a threshold that fails, and the published sum."""

import math

import pytest

from disco.errors import DiscoError
from disco.metrics.forgetting import backward_transfer, deltas, refuse_forgetting

WAYS = {"loss": False, "onset_f1/f1": True, "notes/interval": None, "signal/clipped": False}
BEFORE = {"loss": 2.0, "onset_f1/f1": 0.8, "notes/interval": 4.0, "signal/clipped": 0.0}


def compared(after, **more):
    return deltas(BEFORE, BEFORE | after, higher_is_better=WAYS, **({"real": {}} | more))


def loss_of(rows, name):
    return next(row.loss for row in rows if row.measure == name)


def test_worse_is_positive_whichever_way_is_better():
    rows = compared({"loss": 3.0, "onset_f1/f1": 0.6})
    assert [(row.measure, pytest.approx(row.loss)) for row in rows] == [
        ("loss", 0.5),
        ("onset_f1/f1", 0.25),
        ("signal/clipped", 0.0),
    ]
    better = compared({"loss": 1.0, "onset_f1/f1": 0.9})
    assert all(row.loss <= 0 for row in better)


def test_a_measure_without_a_direction_is_judged_by_real_music():
    losses = {
        after: loss_of(
            compared({"notes/interval": after}, real={"notes/interval": 3.0, "loss": 1.0}), "notes/interval"
        )
        for after in (3.5, 6.0)
    }
    assert losses[3.5] == pytest.approx(-0.5 / 3)
    assert losses[6.0] == pytest.approx(2.0 / 3)


def test_what_was_nearly_nothing_is_not_counted_as_a_share_of_nothing():
    assert loss_of(compared({"signal/clipped": 0.001}), "signal/clipped") == pytest.approx(0.01)
    assert loss_of(compared({"signal/clipped": 0.5}), "signal/clipped") == pytest.approx(5.0)


def test_the_threshold_fails_and_names_what_was_lost():
    rows = compared({"loss": 2.3})
    refuse_forgetting(rows, most=0.2)
    with pytest.raises(DiscoError, match=r"loss 2 → 2\.3 \(\+15%\).*metric\.forgetting\.most=0\.1"):
        refuse_forgetting(rows, most=0.1)


def test_what_may_be_chance_is_told_and_does_not_fail():
    rows = compared({"onset_f1/f1": 0.1, "loss": 2.1}, chance=["onset_f1/f1"])
    assert loss_of(rows, "onset_f1/f1") > 0.8
    refuse_forgetting(rows, most=0.2)


def test_what_cannot_be_measured_any_more_was_lost():
    rows = deltas(BEFORE, {"loss": 1.0}, higher_is_better=WAYS, real={})
    assert math.isinf(rows[0].loss)
    with pytest.raises(DiscoError, match=r"onset_f1/f1 0\.8 → not to be measured"):
        refuse_forgetting(rows, most=10.0)


def test_backward_transfer_is_the_published_sum():
    # rows: after each of three tasks; columns: the score on each of them
    scores = [[0.9, 0.2, 0.1], [0.6, 0.8, 0.2], [0.5, 0.7, 0.9]]
    learnt = [scores[0][0], scores[1][1]]
    assert backward_transfer(learnt, scores[2][:2]) == pytest.approx((-0.4 - 0.1) / 2)
