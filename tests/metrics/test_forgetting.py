"""Forgetting: deltas in the right direction, a threshold that fails, and the published sums."""

import numpy as np
import pytest

from disco.errors import DiscoError
from disco.metrics.forgetting import backward_transfer, deltas, mean_forgetting, refuse_forgetting

WAYS = {"loss": False, "onset_f1/f1": True, "notes/interval": None}
BEFORE = {"loss": 2.0, "onset_f1/f1": 0.8, "notes/interval": 4.0}


def test_worse_is_positive_whichever_way_is_better():
    rows = deltas(BEFORE, BEFORE | {"loss": 3.0, "onset_f1/f1": 0.6}, higher_is_better=WAYS)
    assert [(row.measure, pytest.approx(row.loss)) for row in rows] == [("loss", 0.5), ("onset_f1/f1", 0.25)]
    better = deltas(BEFORE, BEFORE | {"loss": 1.0, "onset_f1/f1": 0.9}, higher_is_better=WAYS)
    assert all(row.loss < 0 for row in better)


def test_a_measure_without_a_direction_is_judged_by_real_music():
    rows = {
        after: deltas(
            BEFORE, BEFORE | {"notes/interval": after}, higher_is_better=WAYS, real={"notes/interval": 3.0}
        )
        for after in (3.5, 6.0)
    }
    loss = {
        after: next(r.loss for r in table if r.measure == "notes/interval") for after, table in rows.items()
    }
    assert loss[3.5] == pytest.approx(-0.5 / 3)
    assert loss[6.0] == pytest.approx(2.0 / 3)


def test_the_threshold_fails_and_names_what_was_lost():
    rows = deltas(BEFORE, BEFORE | {"loss": 2.3}, higher_is_better=WAYS)
    refuse_forgetting(rows, most=0.2)
    with pytest.raises(DiscoError, match=r"loss 2 → 2\.3 \(\+15%\)"):
        refuse_forgetting(rows, most=0.1)


@pytest.mark.parametrize("after", [{"loss": 1.0}, BEFORE | {"loss": float("nan")}])
def test_what_was_not_measured_twice_is_refused(after):
    with pytest.raises(DiscoError, match=r"missing|not a number"):
        deltas(BEFORE, after, higher_is_better=WAYS)


def test_sequences_of_tasks_have_their_published_sums():
    scores = np.array([[0.9, 0.2, 0.1], [0.6, 0.8, 0.2], [0.5, 0.7, 0.9]])
    assert mean_forgetting(scores) == pytest.approx((0.4 + 0.1) / 2)
    assert backward_transfer(scores) == pytest.approx((-0.4 - 0.1) / 2)
    assert mean_forgetting(scores[:1, :1]) == 0.0
