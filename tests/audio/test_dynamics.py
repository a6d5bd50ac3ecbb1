"""Silence is found to a hundredth of a second, tails stay, rounding does not distort."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from disco.audio.dither import Dither
from disco.audio.dynamics import Levels, kept_seconds

RATE = 32000


def levels(wave: np.ndarray, cuts: Iterable[int] = ()) -> np.ndarray:
    meter = Levels(hop=RATE // 500, channels=len(wave))
    for block in np.split(wave.astype(np.float32), sorted(cuts), axis=1):
        meter.push(block)
    return meter.in_db()


def kept(wave: np.ndarray) -> tuple[float, float] | None:
    return kept_seconds(
        levels(wave), 1 / 500, open_db=-40, close_db=-60, floor_db=-80, pre_roll=0.005, post_roll=0.005
    )


def between_silences(sound: np.ndarray, before: float, after: float) -> np.ndarray:
    noise = 10 ** (-93 / 20) * np.random.default_rng(0).standard_normal((2, round(RATE * (before + after))))
    whole = np.split(noise, [round(RATE * before)], axis=1)
    return np.concatenate([whole[0], np.tile(sound, (2, 1)), whole[1]], axis=1)


def tone(seconds: float, hz: float = 220.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(round(RATE * seconds)) / RATE)


@pytest.mark.parametrize("hz", [40.0, 220.0, 3000.0])
def test_silence_is_left_out_to_a_hundredth_of_a_second(hz: float) -> None:
    found = kept(between_silences(tone(2.0, hz), 0.7, 1.3))
    assert found is not None
    assert found[0] == pytest.approx(0.7, abs=0.01)
    assert found[1] == pytest.approx(2.7, abs=0.01)


def test_a_tail_is_kept_down_to_50_db_and_more() -> None:
    tail = tone(4.0) * 10 ** (-25 * np.arange(4 * RATE) / RATE / 20)  # -50 dB after 2 s, -60 after 2.4
    found = kept(between_silences(tail, 0.5, 2.0))
    assert found is not None
    assert 0.5 + 2.0 < found[1] < 0.5 + 2.7


def test_a_soft_attack_belongs_to_the_sound_and_a_click_apart_does_not() -> None:
    attack = tone(2.0) * np.minimum(1, 10 ** ((-55 + 55 * np.arange(2 * RATE) / RATE) / 20))
    wave = between_silences(attack, 1.0, 1.0)
    wave[:, RATE // 2] = 0.01  # at -34 dB against the tone, half a second before anything
    found = kept(wave)
    assert found is not None
    assert found[0] == pytest.approx(1.0, abs=0.02)


def test_a_rest_within_the_music_stays() -> None:
    music = np.concatenate([tone(1.0), np.zeros(3 * RATE), tone(1.0)])
    found = kept(between_silences(music, 0.5, 0.5))
    assert found is not None
    assert found[1] - found[0] == pytest.approx(5.0, abs=0.02)


def test_silence_has_nothing_to_keep() -> None:
    assert kept(np.zeros((2, RATE))) is None
    assert kept(np.zeros((2, 0))) is None


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, 9990), max_size=8))
def test_levels_do_not_depend_on_blocks(cuts: list[int]) -> None:
    wave = np.random.default_rng(0).standard_normal((2, 9990))
    assert len(levels(wave)) == -(-9990 // (RATE // 500))
    assert levels(wave, cuts) == pytest.approx(levels(wave), abs=1e-4)


def rounded(
    wave: np.ndarray, bits: Literal[16, 24] = 16, seed: int = 7, cuts: Iterable[int] = ()
) -> np.ndarray:
    dither = Dither(bits=bits, seed=seed)
    blocks = np.split(np.atleast_2d(wave).astype(np.float32), sorted(cuts), axis=1)
    return np.concatenate([dither.push(block) for block in blocks], axis=1)


def harmonics(level_db: float) -> tuple[list[float], list[float]]:
    """Levels in dBFS of a tone at `level_db` and of its strongest odd harmonic: plainly rounded, dithered."""
    length, place = 1 << 17, 997  # a whole number of periods, so that every harmonic falls into one bin
    tone = 10 ** (level_db / 20) * np.sin(2 * np.pi * place * np.arange(length) / length)
    tones, others = [], []
    for wave in (np.rint(tone * 32768) / 32768, rounded(tone)[0].astype(np.float64)):
        spectrum = 20 * np.log10(np.abs(np.fft.rfft(wave)) * 2 / length + 1e-12)
        tones.append(float(spectrum[place]))
        others.append(float(spectrum[place * 3 :: place * 2].max()))
    return tones, others


def test_dither_takes_the_harmonics_out_of_a_soft_tone() -> None:
    _, (plain, dithered) = harmonics(-92)
    assert plain > -110
    assert dithered < -120


def test_dither_lets_a_tone_below_the_last_bit_be_heard() -> None:
    (plain, dithered), (_, harmonic) = harmonics(-100)
    assert plain < -200, "rounded away"
    assert dithered == pytest.approx(-100, abs=1)
    assert harmonic < -120


@pytest.mark.parametrize("bits", [16, 24])
def test_a_file_of_so_many_bits_comes_back_and_silence_stays(bits: Literal[16, 24]) -> None:
    steps = np.random.default_rng(0).integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (2, 5000))
    wave = (steps / 2 ** (bits - 1)).astype(np.float32)
    assert np.array_equal(rounded(wave, bits), wave)
    assert not rounded(np.zeros((2, 1000)), bits).any()


@pytest.mark.parametrize("bits", [16, 24])
def test_what_is_rounded_lies_on_steps_near_the_sample(bits: Literal[16, 24]) -> None:
    wave = 0.3 * np.random.default_rng(0).standard_normal((2, 20000)).clip(-3, 3)
    found = rounded(wave, bits).astype(np.float64) * 2 ** (bits - 1)
    assert np.array_equal(found, np.rint(found))
    error = found - wave.astype(np.float32).astype(np.float64) * 2 ** (bits - 1)
    assert np.abs(error).max() <= 1.51
    assert abs(error.mean()) < 0.02
    if bits == 16:  # a float32 has hardly more than 24 bits
        assert error.var() == pytest.approx(1 / 4, rel=0.05)  # 1/12 of rounding, 1/6 of the dither


def test_dither_is_triangular() -> None:
    error = rounded(np.full((1, 200000), 0.25 / 32768)) * 32768 - 0.25
    assert set(np.unique(error + 0.25)) == {-1.0, 0.0, 1.0}
    assert error.mean() == pytest.approx(0, abs=0.01)


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, 3000), max_size=8))
def test_the_same_content_gives_the_same_bytes(cuts: list[int]) -> None:
    wave = 0.1 * np.random.default_rng(0).standard_normal((2, 3000))
    assert np.array_equal(rounded(wave, cuts=cuts), rounded(wave))
    assert not np.array_equal(rounded(wave, seed=8), rounded(wave))


def test_what_passes_full_scale_is_cut_and_counted() -> None:
    dither = Dither(bits=16, seed=1)
    found = dither.push(np.array([[1.5, -1.5, 1.0, 0.0]], np.float32))
    assert found.tolist() == [[32767 / 32768, -1.0, 32767 / 32768, 0.0]]
    assert dither.num_clipped == 2
