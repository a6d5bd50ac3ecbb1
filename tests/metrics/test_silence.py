"""Planted silences are found to a frame of 50 ms."""

import math

import numpy as np
import pytest
import torch

from disco.audio.clip import Clip
from disco.core.metric import Take
from disco.metrics.silence import Silence, frame_levels, runs

RATE = 16000


def described(wave, seconds=None):
    metric = Silence(silence_db=-50.0, tolerance=0.1)
    metric.update(
        [Take(clip=Clip(torch.from_numpy(np.asarray(wave, np.float32)[None]), RATE), seconds=seconds)]
    )
    return metric.compute()


def tone(*spans, total):
    time = np.arange(int(total * RATE)) / RATE
    on = np.any([(time >= start) & (time < end) for start, end in spans], axis=0)
    return 0.5 * np.sin(2 * np.pi * 440 * time) * on


def test_gaps_and_edges_are_where_they_were_planted():
    found = described(tone((0.5, 2.0), (3.2, 4.0), total=5.0), seconds=5.0)
    assert found["leading"] == pytest.approx(0.5, abs=0.051)
    assert found["trailing"] == pytest.approx(1.0, abs=0.051)
    assert found["longest_gap"] == pytest.approx(1.2, abs=0.101)
    assert found["silent"] == pytest.approx(2.7 / 5, abs=0.04)
    assert found["filled"] == pytest.approx(0.8, abs=0.02)
    assert (found["length_error"], found["length_met"]) == (0.0, 1.0)


def test_a_short_take_misses_its_length():
    found = described(tone((0, 4), total=4.0), seconds=5.0)
    assert (found["length_error"], found["length_met"], found["filled"]) == (pytest.approx(0.2), 0.0, 0.8)


def test_without_an_asked_length_there_is_nothing_to_meet():
    found = described(tone((0, 1), total=1.0))
    assert math.isnan(found["length_met"])
    assert found["silent"] == 0.0


def test_digital_silence_is_silent_all_the_time():
    found = described(np.zeros(RATE), seconds=1.0)
    assert (found["silent"], found["filled"]) == (1.0, 0.0)
    assert found["longest_gap"] == found["leading"] == found["trailing"] == pytest.approx(1.0)


def test_levels_are_those_of_a_sine():
    clip = Clip(torch.from_numpy(tone((0, 1), total=1.0)[None].astype(np.float32)), RATE)
    assert frame_levels(clip) == pytest.approx(20 * math.log10(0.5 / math.sqrt(2)), abs=0.1)


def test_runs_are_counted_at_the_edges_too():
    assert runs(np.array([True, True, False, True, False, False, True], dtype=bool)) == [2, 1, 1]
    assert runs(np.zeros(0, dtype=bool)) == []
