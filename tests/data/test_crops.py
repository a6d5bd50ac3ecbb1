"""Where crops begin: on bar lines, the same for the same seed, and end to end in a survey."""

from __future__ import annotations

import math

import pytest

from disco.data.crops import CropPlan, bar_starts, conditions_of
from tests.data.folder import record

JIG = record("jig", 20.0, tempo=120.0, metre="6/8", pickup_beats=0.5)
FREE = record("free", 7.3)


def test_bars_begin_behind_the_pickup() -> None:
    assert bar_starts(JIG, 6.0)[:4] == pytest.approx([0.0, 0.25, 1.75, 3.25])
    assert bar_starts(record("plain", 9.0, tempo=60.0, metre="3/4"), 3.0) == pytest.approx([0.0, 3.0, 6.0])


def test_the_nearest_start_is_the_earlier_of_two_and_a_long_record_takes_no_room() -> None:
    starts = bar_starts(JIG, 6.0)
    assert starts.nearest(-1.0) == starts[0]
    assert starts.nearest(99.0) == starts[-1] == list(starts)[-1]
    for second in (0.0, 0.1, 0.2, 1.0, 2.4, 2.6, 7.3):
        assert starts.nearest(second) == min(starts, key=lambda start: abs(start - second))
    assert starts.nearest((starts[3] + starts[4]) / 2) == starts[3]
    days = bar_starts(record("days", 1e7), 30.0)
    assert days[len(days) // 2] == pytest.approx(5e6, abs=20)
    assert days.nearest(1234567.04) == pytest.approx(1234567.0)
    with pytest.raises(IndexError):
        starts[len(starts)]


def test_training_crops_begin_at_the_start_or_on_a_bar_line_and_leave_most_of_a_crop() -> None:
    plan = CropPlan([JIG], seconds=6.0, seed=0, draw=True)
    crops = [plan.crop(epoch, index) for epoch in range(30) for index in range(len(plan))]
    timing = conditions_of(crops).timing
    assert timing is not None
    assert timing[0].tolist()[:2] == [120.0, 3.0]
    for crop, (_, bar, position) in zip(crops, timing.tolist(), strict=True):
        assert crop.start == 0.0 or min(position, bar - position) < 1e-4
        assert crop.record.duration - crop.start >= 0.75 * crop.seconds
    assert len({crop.start for crop in crops}) > 4
    opening = next(index for index, crop in enumerate(crops) if crop.start == 0.0)
    assert timing[opening].tolist() == [120.0, 3.0, 2.5], "half a beat before the first bar line"


def test_a_crop_depends_on_seed_epoch_and_index_alone() -> None:
    one, again, other = (CropPlan([JIG, FREE], seconds=2.0, seed=seed, draw=True) for seed in (3, 3, 4))
    places = [(epoch, index) for epoch in range(4) for index in range(len(one))]
    backwards = [again.crop(*place) for place in reversed(places)]
    assert [one.crop(*place) for place in places] == backwards[::-1]
    assert [one.crop(*place) for place in places] != [other.crop(*place) for place in places]


@pytest.mark.parametrize("seconds", [1.0, 2.5, 8.0, 30.0])
def test_a_survey_hears_every_moment_once(seconds: float) -> None:
    plan = CropPlan([JIG, FREE], seconds=seconds, seed=0, draw=False, whole=True)
    for wanted in (JIG, FREE):
        crops = [plan.crop(0, i) for i in range(len(plan)) if plan.tiles[i][0] is wanted]
        assert [crop.start for crop in crops] == pytest.approx([i * seconds for i in range(len(crops))])
        assert crops[-1].start + seconds > wanted.duration - 0.1
        assert crops[-1].start < wanted.duration - 0.05


def test_fixed_crops_do_not_change_with_the_epoch_and_the_most_are_spread_over_the_records() -> None:
    records = [record(str(i), 10.0) for i in range(20)]
    plan = CropPlan(records, seconds=2.0, seed=0, draw=False, most=10)
    crops = [plan.crop(0, index) for index in range(len(plan))]
    assert len(crops) == 10
    assert len({crop.record.id for crop in crops}) == 10
    assert crops == [plan.crop(5, index) for index in range(len(plan))]


def test_what_is_not_known_is_not_said() -> None:
    said = conditions_of([CropPlan([FREE], seconds=2.0, seed=0, draw=False).crop(0, 1)])
    assert said.text == (None,)
    assert said.tags["rhythm"] == (None,)
    assert said.timing is not None
    assert all(math.isnan(value) for value in said.timing[0].tolist())
