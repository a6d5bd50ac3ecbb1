"""Loudness is what the standard, the EBU's test signals and another meter say, in blocks of any size."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyloudnorm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from disco.audio.loudness import Loudness, LoudnessMeter, gain_to, k_weighting

RATE = 32000


def measured(wave: np.ndarray, rate: int = RATE, cuts: Iterable[int] = ()) -> Loudness:
    meter = LoudnessMeter(rate=rate, channels=len(wave))
    for block in np.split(wave.astype(np.float32), sorted(cuts), axis=1):
        meter.push(block)
    return meter.result()


def sine(
    level_db: float, seconds: float, rate: int = RATE, hz: float = 1000.0, channels: int = 2
) -> np.ndarray:
    time = np.arange(round(rate * seconds)) / rate
    return np.tile(10 ** (level_db / 20) * np.sin(2 * np.pi * hz * time), (channels, 1))


def mix(seed: int, seconds: float = 6.0, rate: int = RATE) -> np.ndarray:
    """Something like music: tones with envelopes over a bed of coloured noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(rate * seconds)) / rate
    wave = np.cumsum(rng.standard_normal((2, len(time))), axis=1)
    wave = 0.02 * (wave - np.roll(wave, 200, axis=1))
    for _ in range(8):
        hz, start = 55 * 2 ** rng.uniform(0, 6), rng.uniform(0, seconds)
        envelope = np.where(time > start, np.exp(-3 * (time - start)), 0)
        wave += rng.uniform(0.1, 0.6) * envelope * np.sin(2 * np.pi * hz * time) * rng.uniform(0.3, 1, (2, 1))
    return wave * rng.uniform(0.02, 0.5)


def test_at_48_khz_the_filters_are_those_the_standard_prints() -> None:
    printed = [
        [1.53512485958697, -2.69169618940638, 1.19839281085285, -1.69065929318241, 0.73248077421585],
        [1.0, -2.0, 1.0, -1.99004745483398, 0.99007225036621],
    ]
    assert np.abs(k_weighting(48000) - printed).max() < 1e-8


@pytest.mark.parametrize("rate", [16000, 32000, 44100, 48000, 96000])
def test_a_full_scale_sine_in_one_channel_is_minus_3_lufs(rate: int) -> None:
    assert measured(sine(0, 3, rate, 997, 1), rate).integrated == pytest.approx(-3.01, abs=0.05)


def test_the_test_signals_of_the_ebu_read_as_they_must() -> None:
    # EBU Tech 3341, cases 1 to 4 (shortened): sines of 1 kHz in both channels.
    assert measured(sine(-23, 5)).integrated == pytest.approx(-23, abs=0.1)
    assert measured(sine(-33, 5)).integrated == pytest.approx(-33, abs=0.1)
    three = np.concatenate([sine(-36, 5), sine(-23, 30), sine(-36, 5)], axis=1)
    assert measured(three).integrated == pytest.approx(-23, abs=0.1)
    five = np.concatenate([sine(-72, 5), sine(-36, 5), sine(-23, 30), sine(-36, 5), sine(-72, 5)], axis=1)
    assert measured(five).integrated == pytest.approx(-23, abs=0.1)


def test_5_1_counts_the_surrounds_more_and_the_effects_not_at_all() -> None:
    # EBU Tech 3341, case 6: -28 dBFS left and right, -24 centre, -30 in the surrounds is -23 LUFS.
    levels = [-28, -28, -24, 0, -30, -30]
    wave = np.concatenate([sine(level, 5, channels=1) for level in levels])
    assert measured(wave).integrated == pytest.approx(-23, abs=0.1)
    theirs = pyloudnorm.Meter(RATE).integrated_loudness(np.delete(wave, 3, 0).T)
    assert measured(wave).integrated == pytest.approx(theirs, abs=0.05)


@pytest.mark.parametrize(("levels", "range_lu"), [((-20, -30), 10), ((-20, -15), 5), ((-40, -20), 20)])
def test_the_range_of_two_levels_is_their_distance(levels: tuple[int, int], range_lu: float) -> None:
    # EBU Tech 3342, cases 1 to 3: 20 s each.
    wave = np.concatenate([sine(level, 20, 16000) for level in levels], axis=1)
    assert measured(wave, 16000).range_lu == pytest.approx(range_lu, abs=0.5)


@pytest.mark.parametrize("seed", range(6))
def test_it_agrees_with_pyloudnorm(seed: int) -> None:
    rate = [32000, 44100, 48000][seed % 3]
    wave = mix(seed, rate=rate)
    ours = measured(wave, rate).integrated
    given = wave.astype(np.float32).astype(np.float64).T
    assert ours == pytest.approx(pyloudnorm.Meter(rate).integrated_loudness(given), abs=0.05)
    if rate == 48000:  # "DeMan" are the filters of the standard, which pyloudnorm's own approximate
        assert ours == pytest.approx(pyloudnorm.Meter(rate, "DeMan").integrated_loudness(given), abs=1e-6)


@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(0, 64000), max_size=10))
def test_any_cut_into_blocks_reads_the_same(cuts: list[int]) -> None:
    wave = mix(1, 2.0)
    assert measured(wave, cuts=cuts).integrated == pytest.approx(measured(wave).integrated, abs=1e-12)


def test_momentary_and_short_term_show_the_loudest_moment() -> None:
    wave = np.concatenate([sine(-40, 4), sine(-20, 0.4), sine(-40, 4)], axis=1)
    shown = measured(wave)
    assert shown.momentary_max == pytest.approx(-20, abs=0.1)
    assert shown.short_term_max == pytest.approx(-20 + 10 * np.log10(0.4 / 3 + 2.6 / 3 * 1e-2), abs=0.1)


@pytest.mark.parametrize("seconds", [0.0, 1 / RATE, 0.01, 5.0])
def test_silence_and_what_is_too_short_have_no_loudness_and_no_gain(seconds: float) -> None:
    silent = measured(np.zeros((2, round(RATE * seconds))))
    assert silent.integrated == silent.momentary_max == -np.inf
    assert silent.range_lu == 0
    assert gain_to(silent.integrated, -np.inf, target_lufs=-14, ceiling_dbtp=-1) == 0
    assert measured(sine(-75, 2)).integrated == -np.inf, "softer than the absolute gate"


def test_a_long_silence_is_not_slow() -> None:
    """Memories of the filters that fade into denormal numbers would cost a hundredfold."""
    wave = np.zeros((2, RATE * 60), np.float32)
    wave[:, 0] = 1
    meter = LoudnessMeter(rate=RATE, channels=2)
    meter.push(wave)
    assert (np.abs(meter._memory) < 1e-60).all()


def test_the_gain_stops_at_the_ceiling() -> None:
    assert gain_to(-20, -10, target_lufs=-14, ceiling_dbtp=-1) == 6
    assert gain_to(-20, -3, target_lufs=-14, ceiling_dbtp=-1) == 2
    assert gain_to(-8, 0.5, target_lufs=-14, ceiling_dbtp=-1) == -6
