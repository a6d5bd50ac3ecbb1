"""Each planted drift moves its own value, more the more of it there is, and leaves steady music alone."""

import math

import numpy as np
import pytest
import torch
from scipy.signal import lfilter

from disco.audio.clip import Clip
from disco.core.metric import Take
from disco.metrics.drift import Drift, slope
from tests.metrics.music import RATE, pulse

SECONDS = 48.0


def described(wave):
    metric = Drift(part=8.0)
    metric.update([Take(clip=Clip(torch.from_numpy(np.asarray(wave, np.float32)[None]), RATE))])
    return metric.compute()


def piece(*, fifths=0, onsets=None):
    """I-IV-V-I in C, struck on every beat; the second half some fifths away."""
    onsets = pulse(120, SECONDS) if onsets is None else onsets
    wave = np.zeros(int((SECONDS + 2) * RATE))
    time = np.arange(int(0.45 * RATE)) / RATE
    for index, onset in enumerate(onsets):
        root = (0, 5, 7, 0)[index // 4 % 4] + (7 * fifths % 12 if onset > SECONDS / 2 else 0)
        tone = sum(
            np.sin(2 * np.pi * 440 * 2 ** ((60 + root + step - 69) / 12) * harmonic * time) / harmonic
            for step in (0, 4, 7)
            for harmonic in (1, 2, 3, 4)
        )
        first = int(onset * RATE)
        wave[first : first + len(time)] += 0.05 * tone * np.exp(-time / 0.15)
    return wave[: int(SECONDS * RATE)]


@pytest.fixture(scope="module")
def steady():
    return described(piece())


def test_steady_music_hardly_drifts(steady):
    assert steady["key"] == 0.0
    assert steady["tempo"] < 0.02
    assert steady["loudness"] < 0.5
    assert steady["colour"] < 2.0


@pytest.mark.parametrize("fifths", [1, 3, 6])
def test_a_modulation_is_measured_in_fifths(fifths):
    assert described(piece(fifths=fifths))["key"] == fifths


def test_growing_louder_is_measured_in_decibels(steady):
    ramp = 10 ** (np.linspace(-12, 0, int(SECONDS * RATE)) / 20)
    found = described(piece() * ramp)
    assert found["loudness"] == pytest.approx(8.0, abs=1.0)  # two thirds of the way between mean thirds
    assert found["loudness_slope"] == pytest.approx(12 / (SECONDS / 60), rel=0.15)
    assert found["key"] == steady["key"]


def test_getting_faster_is_measured_in_octaves(steady):
    found = []
    for rise in (0.15, 0.3):
        gaps = 0.5 * 2.0 ** -np.linspace(0, rise, 200)
        onsets = np.cumsum(gaps)
        found.append(described(piece(onsets=onsets[onsets < SECONDS - 0.5]))["tempo"])
    assert steady["tempo"] < found[0] < found[1]


def test_losing_the_treble_changes_the_colour(steady):
    wave = piece()
    dull = lfilter([0.05], [1, -0.95], wave)
    fade = np.linspace(0, 1, len(wave))
    found = described((1 - fade) * wave + fade * dull)
    assert found["colour"] > 2 * steady["colour"] + 1.0
    assert found["colour_slope"] > steady["colour_slope"]
    assert found["key"] == 0.0


def test_a_line_has_its_slope():
    assert slope(2.0 + 3.0 * (np.arange(7) + 0.5) / 7) == pytest.approx(3.0)
    assert slope(np.ones(1)) == 0.0


def test_a_blink_has_no_course():
    assert all(math.isnan(value) for value in described(np.ones(200)).values())
    assert all(math.isnan(value) for value in described(np.ones(0)).values())


def test_silence_stays_where_it_is():
    assert list(described(np.zeros(RATE * 5)).values()) == pytest.approx([0.0] * 7, abs=1e-6)
