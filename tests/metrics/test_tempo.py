"""Tempo and its stability on clicks whose answer is known."""

import numpy as np
import pytest

from disco.core.metric import Take
from disco.metrics.hearing import onset_strength, tempo_of
from disco.metrics.tempo import TempoAgreement, tempo_stability
from tests.metrics.music import clicks, pulse, table


def judged(made, reference=None):
    metric = TempoAgreement(tolerance=0.04, window=4.0)
    metric.update([made], [reference or made])
    return metric.compute()


@pytest.mark.parametrize("bpm", range(60, 181, 15))
def test_a_metronome_has_its_tempo(bpm):
    found = judged(Take(clip=clicks(pulse(bpm), 20.0), tempo_bpm=float(bpm)))
    assert found["accuracy1"] == found["accuracy2"] == 1.0
    assert found["error"] < 0.03
    assert found["stability"] > 0.98


def test_notes_alone_are_heard_as_well_as_clicks():
    take = Take(notes=table(pulse(96), 60), tempo_bpm=96.0)
    assert judged(take)["accuracy1"] == 1.0


def test_double_tempo_is_wrong_by_one_measure_and_right_by_the_other():
    found = judged(Take(clip=clicks(pulse(140), 20.0), tempo_bpm=70.0))
    assert (found["accuracy1"], found["accuracy2"]) == (0.0, 1.0)
    assert found["error"] == pytest.approx(1.0, abs=0.03)


def test_the_asked_tempo_wins_over_the_reference():
    slow, fast = (Take(clip=clicks(pulse(bpm), 20.0), tempo_bpm=float(bpm)) for bpm in (80, 100))
    assert judged(slow, fast)["accuracy1"] == 1.0
    assert judged(Take(clip=slow.clip), fast)["accuracy1"] == 0.0


def test_the_reference_is_heard_where_its_tempo_is_not_known():
    take = Take(clip=clicks(pulse(100), 20.0))
    assert judged(take, take)["accuracy1"] == 1.0


def test_more_rubato_is_less_stable():
    heard = []
    for depth in (0.0, 0.1, 0.2, 0.4):
        gaps = 0.5 * 2.0 ** (depth * np.sin(np.linspace(0, 2 * np.pi, 60)))
        strength = onset_strength(Take(clip=clicks(np.cumsum(gaps), float(gaps.sum()))))
        heard.append(tempo_stability(strength, 4.0))
        assert heard[-1] == pytest.approx(1 - gaps.std() / gaps.mean(), abs=0.02)
    assert heard == sorted(heard, reverse=True)


def test_silence_has_no_tempo():
    clip = clicks([], 5.0)
    assert tempo_of(onset_strength(Take(clip=clip))) is None
    found = judged(Take(clip=clip, tempo_bpm=100.0))
    assert found["accuracy1"] == found["stability"] == found["confidence"] == 0.0
    assert found["error"] == 1.0
