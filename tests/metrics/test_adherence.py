"""Adherence: what was asked and given scores 1, each broken wish lowers its own value."""

import math
from dataclasses import replace

import numpy as np
import pytest

from disco.core.metric import Asked, Take
from disco.errors import DiscoError
from disco.metrics.adherence import Adherence, correlation
from disco.metrics.mood import Mood, heard_mood, mood_agreement, mood_of
from tests.metrics.music import sung, table


def judged(*takes):
    metric = Adherence(tempo_tolerance=0.04, onset_tolerance=0.05, duration_tolerance=0.1)
    metric.update(list(takes))
    return metric.compute()


def tune(pitches=(60, 64, 67, 72, 65, 69, 67, 62) * 2):
    return table(np.arange(len(pitches)) * 0.5, list(pitches), length=0.45)


@pytest.fixture(scope="module")
def asked():
    notes = tune()
    take = sung(notes)
    return replace(
        take,
        seconds=take.clip.seconds,
        tempo_bpm=120.0,
        asked=Asked(key="C major", moods=("bright",), notes=notes),
    )


def test_what_was_asked_and_given_scores_one(asked):
    found = judged(asked)
    assert math.isnan(found.pop("tempo_correlation"))  # one tempo was asked for
    assert found == dict.fromkeys(found, 1.0)


@pytest.mark.parametrize(
    ("broken", "value"),
    [
        ({"tempo_bpm": 90.0}, "tempo"),
        ({"asked": Asked(key="F# major")}, "key"),
        ({"asked": Asked(notes=tune((61, 65, 68, 73) * 4))}, "notes"),
        ({"asked": Asked(moods=("sad",))}, "mood"),
        ({"seconds": 20.0}, "duration"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_each_broken_wish_lowers_its_own_value(asked, broken, value):
    assert judged(replace(asked, **broken))[value] < 0.6
    assert judged(replace(asked, **broken))["overall"] < 1.0


def test_wishes_are_heard_in_sound_alone(asked):
    found = judged(replace(asked, notes=None))
    assert found["notes"] > 0.7
    assert found["key"] == found["tempo"] == 1.0


def test_nothing_asked_is_nothing_judged():
    found = judged(Take(notes=tune()))
    assert all(math.isnan(found[name]) for name in ("tempo", "key", "notes", "duration", "mood", "overall"))


def test_heard_tempos_follow_the_asked_ones():
    takes = [
        Take(notes=table(np.arange(40) * 60 / bpm, 60), tempo_bpm=float(bpm))
        for bpm in (70, 90, 110, 130, 150)
    ]
    assert judged(*takes)["tempo_correlation"] > 0.8
    deaf = [
        replace(take, tempo_bpm=float(bpm)) for take, bpm in zip(takes, (110, 150, 70, 90, 130), strict=True)
    ]
    assert abs(judged(*deaf)["tempo_correlation"]) < 0.6


def test_a_correlation_needs_three_different_wishes():
    assert math.isnan(correlation([(100.0, 90.0), (100.0, 110.0), (120.0, 80.0)]))
    assert correlation([(1.0, 2.0), (2.0, 2.0), (3.0, 2.0)]) == 0.0
    assert correlation([(1.0, 2.0), (2.0, 4.0), (3.0, 6.0)]) == pytest.approx(1.0)


def test_moods_stand_on_their_sides():
    assert mood_of("Sad") == Mood(-1.0, -1.0)
    assert mood_agreement(["happy"], Mood(1.0, 0.4)) == 1.0
    assert mood_agreement(["happy"], Mood(1.0, -0.4)) == 0.5
    assert mood_agreement(["sad", "happy"], Mood(1.0, 0.4)) == 0.5
    with pytest.raises(DiscoError, match="no place is known"):
        mood_of("purple")


def test_fast_major_is_happy_and_slow_minor_sad():
    fast = table(np.arange(40) * 0.125, [60, 64, 67, 72] * 10, length=0.12)
    slow = table(np.arange(12) * 1.0, [57, 60, 64, 62] * 3, length=0.9)
    assert mood_agreement(["happy"], heard_mood(Take(notes=fast))) == 1.0
    assert mood_agreement(["sad"], heard_mood(Take(notes=slow))) == 1.0
