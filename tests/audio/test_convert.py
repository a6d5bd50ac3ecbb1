"""Streams change rate and channels as whole waves do, in blocks of any size."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from disco.audio.convert import Mixer, Quality, Resampler, downmix
from disco.audio.faults import BadAudio

NOISE = np.random.default_rng(0).standard_normal((2, 30000)).astype(np.float32)


def streamed(
    wave: np.ndarray, cuts: Iterable[int], from_rate: int, to_rate: int, quality: Quality = "HQ"
) -> np.ndarray:
    tap = Resampler(from_rate=from_rate, to_rate=to_rate, channels=len(wave), quality=quality)
    made = [tap.push(block) for block in np.split(wave, sorted(cuts), axis=1)]
    return np.concatenate([*made, tap.flush()], axis=1)


def sine(hz: float, rate: int, seconds: float = 2.0) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)[None].astype(np.float32)


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 30000), max_size=12))
def test_any_cut_into_blocks_gives_the_samples_of_one_shot(cuts: list[int]) -> None:
    whole = soxr.resample(np.ascontiguousarray(NOISE.T), 44100, 32000, quality="HQ").T
    found = streamed(NOISE, cuts, 44100, 32000)
    assert found.shape == (2, round(30000 * 32000 / 44100))
    length = min(found.shape[1], whole.shape[1])
    assert np.array_equal(found[:, :length], whole[:, :length])


@pytest.mark.parametrize(
    ("from_rate", "to_rate"), [(8000, 44100), (11025, 32000), (192000, 48000), (32000, 44100)]
)
@pytest.mark.parametrize("length", [1, 2, 777, 30000])
def test_the_length_is_exact(from_rate: int, to_rate: int, length: int) -> None:
    found = streamed(NOISE[:, :length], [length // 3], from_rate, to_rate)
    assert found.shape[1] == round(length * to_rate / from_rate)


def test_a_tone_survives_there_and_back() -> None:
    given = sine(1000, 48000)
    back = streamed(streamed(given, [5000], 48000, 44100, "VHQ"), [700], 44100, 48000, "VHQ")
    inner = slice(2000, -2000)
    error = np.sqrt(np.mean((back - given)[:, inner] ** 2) / np.mean(given[:, inner] ** 2))
    assert 20 * np.log10(error) < -90


def test_the_sample_at_a_second_stays_there() -> None:
    found = streamed(sine(100, 44100), [100], 44100, 32000)
    assert np.abs(found - sine(100, 32000))[:, 500:-500].max() < 1e-4


def test_what_the_new_rate_cannot_carry_is_gone() -> None:
    found = streamed(sine(23000, 48000), [9999], 48000, 32000)[:, 2000:-2000]
    assert 20 * np.log10(np.abs(found).max()) < -80


def test_stereo_stays_and_mono_is_copied_or_meant() -> None:
    assert np.array_equal(downmix(2, 2), np.eye(2))
    assert np.array_equal(downmix(1, 2), [[1], [1]])
    assert np.array_equal(downmix(2, 1), [[0.5, 0.5]])
    mixer = Mixer(from_channels=2, to_channels=1)
    assert np.allclose(mixer.push(NOISE), NOISE.mean(0))


@pytest.mark.parametrize("channels", range(3, 9))
def test_surround_keeps_its_sides_and_cannot_clip(channels: int) -> None:
    left, right = downmix(channels, 2)
    assert left.sum() == pytest.approx(1.0)
    assert right.sum() == pytest.approx(1.0)
    assert left[0] > 0 == left[1]
    assert right[1] == left[0]
    assert right[0] == 0
    assert np.allclose(downmix(channels, 1), (left + right) / 2)


def test_5_1_follows_the_weights_of_the_itu() -> None:
    left, _ = downmix(6, 2)
    assert np.allclose(left / left[0], [1, 0, 0.7071, 0, 0.7071, 0], atol=1e-4)


def test_a_downmix_without_a_rule_is_refused() -> None:
    with pytest.raises(BadAudio, match="cannot become 4"):
        downmix(6, 4)
