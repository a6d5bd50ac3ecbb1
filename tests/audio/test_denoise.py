"""The gate takes noise away and leaves tones, attacks, length and place."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from disco.audio.denoise import Denoiser

RATE = 32000


def gated(wave: np.ndarray, cuts: Iterable[int] = (), max_db: float = 12.0) -> tuple[np.ndarray, Denoiser]:
    denoiser = Denoiser(rate=RATE, channels=len(wave), max_db=max_db, memory=3.0)
    blocks = np.split(wave.astype(np.float32), sorted(cuts), axis=1)
    made = [denoiser.push(block) for block in blocks]
    return np.concatenate([*made, denoiser.flush()], axis=1), denoiser


def pink(length: int, seed: int = 0) -> np.ndarray:
    """Noise whose power falls by 3 dB per octave, at an effective level of 1."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(length))
    hz = np.fft.rfftfreq(length, 1 / RATE)
    noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(hz, 20)), length)
    return noise / noise.std()


def tone(length: int, hz: float = 1000.0) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * hz * np.arange(length) / RATE)


def power_db(wave: np.ndarray) -> float:
    return 10 * float(np.log10(np.mean(wave**2)))


def test_a_tone_in_pink_noise_gains_6_db_and_keeps_its_level() -> None:
    length = 8 * RATE
    sound = tone(length)
    noise = pink(length) * sound.std() / 10  # 20 dB below
    found, denoiser = gated((sound + noise)[None])
    inside = slice(RATE, -RATE)
    basis = np.exp(-2j * np.pi * 1000 * np.arange(length)[inside] / RATE)
    level = 2 * abs(np.mean(found[0][inside] * basis)) / 0.3
    assert abs(20 * np.log10(level)) < 0.5
    rest = found[0][inside] - level * sound[inside]
    assert power_db(noise[inside]) - power_db(rest) > 6
    assert -30 < denoiser.removed_db < -20, "about as much as the noise holds"


def test_attacks_lose_less_than_1_db() -> None:
    length = 8 * RATE
    clicks = np.zeros(length)
    time = np.arange(round(0.1 * RATE)) / RATE
    for second in range(1, 8):
        start = second * RATE + 123
        hit = np.random.default_rng(second).standard_normal(len(time)) * np.exp(-time / 0.015)
        clicks[start : start + len(time)] += 0.3 * hit
    noise = pink(length) * 0.003
    found, _ = gated((clicks + noise)[None])
    for second in range(1, 8):
        hit = slice(second * RATE + 123, second * RATE + 123 + 640)
        assert abs(power_db(found[0][hit]) - power_db(clicks[hit])) < 1


def test_nothing_is_taken_beyond_the_floor() -> None:
    noise = 0.01 * pink(6 * RATE)[None]
    found, _ = gated(noise, max_db=12)
    assert 8 < power_db(noise) - power_db(found) <= 12.1
    barely, _ = gated(noise, max_db=0.001)
    assert np.abs(barely - noise).max() < 1e-4 * np.abs(noise).max() + 1e-6


@pytest.mark.parametrize("length", [1, 100, 1023, 40000, 150001])
def test_length_and_place_stay(length: int) -> None:
    wave = 0.1 * np.random.default_rng(0).standard_normal((2, length))
    found, _ = gated(wave, max_db=0.001)
    assert found.shape == wave.shape
    assert np.abs(found - wave).max() < 1e-4


@settings(max_examples=4, deadline=None)
@given(cuts=st.lists(st.integers(0, 70000), max_size=6))
def test_any_cut_into_blocks_gives_the_same(cuts: list[int]) -> None:
    wave = 0.05 * pink(70000)[None] + tone(70000)
    assert np.array_equal(gated(wave, cuts)[0], gated(wave)[0])


def test_silence_stays_silent() -> None:
    found, denoiser = gated(np.zeros((2, 5 * RATE)))
    assert not found.any()
    assert denoiser.removed_db == -np.inf
