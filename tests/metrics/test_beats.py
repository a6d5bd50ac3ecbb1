"""Beats against mir_eval's scores and planted jitter."""

import mir_eval
import numpy as np
import pytest

from disco.core.metric import Take
from disco.metrics.beats import BeatAgreement, beat_scores, tracked_beats
from tests.metrics.music import clicks, pulse


def judged(made, reference):
    metric = BeatAgreement(tolerance=0.07, trim=0.0)
    metric.update([made], [reference])
    return metric.compute()


@pytest.mark.parametrize("bpm", [72, 100, 128, 150])
def test_the_beats_of_a_metronome_are_found(bpm):
    take = Take(clip=clicks(pulse(bpm), 20.0))
    found = judged(take, Take(clip=take.clip, beats=pulse(bpm)))
    assert found["f_measure"] > 0.95
    assert found["interval_cv"] < 0.02


def test_known_beats_stand_for_the_reference():
    take = Take(clip=clicks(pulse(120), 10.0))
    shifted = Take(clip=take.clip, beats=pulse(120, 10.0) + 0.25)
    assert judged(take, shifted)["f_measure"] < 0.1
    assert judged(take, shifted)["amlt"] > 0.9


def test_more_jitter_scores_lower():
    rng = np.random.default_rng(0)
    reference = pulse(120, 30.0)
    noise = rng.uniform(-1, 1, len(reference))
    scores = [
        beat_scores(reference, np.sort(reference + depth * noise), tolerance=0.07) for depth in (0, 0.1, 0.2)
    ]
    assert [score["f_measure"] for score in scores] == sorted([s["f_measure"] for s in scores], reverse=True)
    assert scores[0] == {"f_measure": 1.0, "cmlt": 1.0, "amlt": 1.0}
    assert scores[2]["f_measure"] < 0.8


def test_scores_are_those_of_mir_eval():
    rng = np.random.default_rng(1)
    reference, estimate = (np.sort(rng.uniform(0, 30, 50)) for _ in range(2))
    found = beat_scores(reference, estimate, tolerance=0.07)
    assert found["f_measure"] == mir_eval.beat.f_measure(reference, estimate)
    assert (found["cmlt"], found["amlt"]) == mir_eval.beat.continuity(reference, estimate)[1::2]


def test_no_beats_agree_with_no_beats_and_with_nothing_else():
    silence = Take(clip=clicks([], 5.0))
    assert not len(tracked_beats(silence))
    assert judged(silence, silence)["f_measure"] == 1.0
    assert judged(silence, Take(clip=silence.clip, beats=pulse(120, 5.0)))["f_measure"] == 0.0
