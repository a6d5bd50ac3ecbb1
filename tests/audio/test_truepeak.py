"""True peaks are those of the sound between the samples."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from disco.audio.crest import CrestMeter
from disco.audio.loudness import LoudnessMeter, gain_to
from disco.audio.truepeak import TruePeakMeter
from tests.audio.test_loudness import mix, sine

RATE = 32000


def peak_db(wave: np.ndarray, cuts: tuple[int, ...] = ()) -> float:
    meter = TruePeakMeter(channels=len(wave))
    for block in np.split(wave.astype(np.float32), sorted(cuts), axis=1):
        meter.push(block)
    meter.flush()
    return meter.dbtp


@pytest.mark.parametrize(("part", "degrees"), [(4, 0), (4, 45), (6, 60), (8, 67.5), (5, 33)])
def test_the_test_signals_of_the_ebu_read_as_they_must(part: int, degrees: float) -> None:
    # EBU Tech 3341, cases 15 to 19: sines at a part of the rate whose samples miss the crest; +0.2 -0.4 dB.
    time = np.arange(RATE)
    wave = 0.5 * np.sin(2 * np.pi * time / part + np.deg2rad(degrees))[None]
    wave *= np.minimum(1, np.minimum(time, time[::-1]) / 2000)  # the edge itself would overshoot
    assert -0.4 < peak_db(wave) + 6.02 < 0.2


@pytest.mark.parametrize("seed", range(5))
def test_it_agrees_with_a_long_filter_at_four_times_the_rate(seed: int) -> None:
    wave = mix(seed, 3.0)
    fine = soxr.resample(wave.T.astype(np.float64), RATE, 4 * RATE, quality="VHQ")
    assert peak_db(wave) == pytest.approx(20 * np.log10(np.abs(fine).max()), abs=0.1)


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, 6400), max_size=8))
def test_any_cut_into_blocks_finds_the_same(cuts: list[int]) -> None:
    wave = 0.3 * np.random.default_rng(3).standard_normal((3, 6400))
    assert peak_db(wave, tuple(cuts)) == pytest.approx(peak_db(wave), abs=1e-5)


def test_a_peak_in_the_last_channel_and_at_the_very_end_counts() -> None:
    wave = np.zeros((3, 1000))
    wave[2, -1] = -0.5
    assert peak_db(wave) == pytest.approx(-6.02, abs=0.01)
    wave[2, -2] = -0.5
    assert peak_db(wave) > -5


def test_silence_has_no_peak() -> None:
    assert peak_db(np.zeros((2, 100))) == -np.inf


@pytest.mark.parametrize("seed", range(30))
def test_the_gain_reaches_the_target_or_the_ceiling(seed: int) -> None:
    wave = mix(seed, 3.0)
    meter = LoudnessMeter(rate=RATE, channels=2)
    meter.push(wave.astype(np.float32))
    gain = gain_to(meter.result().integrated, peak_db(wave), target_lufs=-14, ceiling_dbtp=-1)
    after = LoudnessMeter(rate=RATE, channels=2)
    louder = wave * 10 ** (gain / 20)
    after.push(louder.astype(np.float32))
    peak = peak_db(louder)
    assert peak <= -1 + 1e-3
    assert abs(after.result().integrated + 14) <= 0.1 or peak == pytest.approx(-1, abs=1e-3)


def crest(wave: np.ndarray, cuts: tuple[int, ...] = ()) -> CrestMeter:
    meter = CrestMeter(rate=RATE, channels=len(wave))
    for block in np.split(wave.astype(np.float32), cuts, axis=1):
        meter.push(block)
    return meter


def test_a_sine_has_a_crest_of_3_db_and_no_dynamic_range() -> None:
    assert crest(sine(-6, 10)).crest_db == pytest.approx(3.01, abs=0.01)
    assert crest(sine(-6, 10)).dynamic_range == pytest.approx(0, abs=0.01)
    assert crest(sine(-6, 1)).dynamic_range == pytest.approx(0, abs=0.01)
    assert crest(np.zeros((2, 100))).crest_db == crest(np.zeros((2, 100))).dynamic_range == 0


def test_peaks_over_a_soft_body_are_dynamic_range() -> None:
    wave = sine(-26, 12)
    wave[:, RATE :: RATE * 2] = 0.5  # a click every other second, 20 dB above the body
    assert crest(wave).dynamic_range == pytest.approx(20, abs=0.2)
    assert crest(wave, (100, 99999)).dynamic_range == pytest.approx(crest(wave).dynamic_range, abs=1e-4)
