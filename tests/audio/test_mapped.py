"""WAV files are cut out of where the system maps them, sample for sample what a decoder would give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from disco.audio.edges import cut_out
from disco.audio.mapped import open_mapped
from disco.audio.pcm import Bits, PcmWriter


def noise(channels: int, frames: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (channels, frames)).astype(np.float32)


def write(path: Path, wave: np.ndarray, bits: Bits, rate: int = 32000) -> None:
    with path.open("wb") as file:
        writer = PcmWriter(file, rate=rate, channels=len(wave), bits=bits)
        for first in range(0, wave.shape[1], 700):
            writer.write(wave[:, first : first + 700])
        writer.close()


@pytest.mark.parametrize("bits", [16, 24])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_what_was_written_is_read_by_others_and_by_the_map(tmp_path: Path, bits: Bits, channels: int) -> None:
    path, wave = tmp_path / "noise.wav", noise(channels, 5001)
    write(path, wave, bits)
    others, rate = soundfile.read(path, dtype="float32", always_2d=True)
    assert rate == 32000
    assert np.abs(others.T - wave).max() <= 1.0 / (1 << (bits - 1))
    mapped = open_mapped(path)
    assert mapped is not None
    assert (mapped.rate, mapped.channels, mapped.frames) == (32000, channels, 5001)
    assert np.array_equal(mapped.read(0, 5001), others.T)
    assert np.array_equal(mapped.read(4900, 300), others.T[:, 4900:])
    assert mapped.read(6000, 10).shape == (channels, 0)


@pytest.mark.parametrize("bits", [16, 24])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_a_row_is_filled_as_far_as_the_file_goes(tmp_path: Path, bits: Bits, channels: int) -> None:
    write(tmp_path / "noise.wav", noise(channels, 1000), bits)
    mapped = open_mapped(tmp_path / "noise.wav")
    assert mapped is not None
    rows = np.full((4, channels, 300), 7.0, np.float32)
    assert mapped.fill(rows[1], 500, gain_db=-4.0) == 300
    assert np.array_equal(rows[1], mapped.read(500, 300) * np.float32(10 ** (-4.0 / 20)))
    assert mapped.fill(rows[2], 900) == 100
    assert np.array_equal(rows[2, :, :100], mapped.read(900, 100))
    assert mapped.fill(rows[2], 1200) == 0
    assert (rows[[0, 3]] == 7).all()
    assert (rows[2, :, 100:] == 7).all()


@pytest.mark.parametrize("bits", [16, 24])
def test_files_of_other_programs_are_mapped_too(tmp_path: Path, bits: int) -> None:
    path, wave = tmp_path / "other.wav", noise(2, 3000)
    with soundfile.SoundFile(path, "w", 8000, 2, subtype=f"PCM_{bits}") as file:
        file.title = "an odd"  # a chunk of odd length before or after the sound
        file.write(wave.T)
    mapped = open_mapped(path)
    assert mapped is not None
    assert np.array_equal(mapped.read(0, 3000), soundfile.read(path, dtype="float32")[0].T)


def test_what_is_no_whole_pcm_file_is_left_to_the_decoder(tmp_path: Path) -> None:
    whole = tmp_path / "whole.wav"
    write(whole, noise(1, 4000), 16)
    (tmp_path / "cut.wav").write_bytes(whole.read_bytes()[:3000])
    (tmp_path / "text.wav").write_text("no sound in here, only words and more words")
    soundfile.write(tmp_path / "float.wav", noise(1, 100)[0], 8000, subtype="FLOAT")
    soundfile.write(tmp_path / "flac.wav", noise(1, 100)[0], 8000, format="FLAC")
    for name in ("cut", "text", "float", "flac"):
        assert open_mapped(tmp_path / f"{name}.wav") is None, name


def test_a_file_that_is_written_anew_is_mapped_anew(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    write(path, noise(1, 100), 16)
    first = open_mapped(path)
    assert first is not None
    assert open_mapped(path) is first
    write(tmp_path / "next.wav", -noise(1, 100), 16)
    (tmp_path / "next.wav").replace(path)
    second = open_mapped(path)
    assert second is not None
    assert np.allclose(second.read(0, 100), -first.read(0, 100), atol=1e-4)


def test_gain_and_fades_belong_to_the_piece_and_not_to_its_parts() -> None:
    wave = np.ones((2, 1000), np.float32)
    whole = cut_out(wave, 1000, gain_db=-6.0206, fade_seconds=0.1, offset=0, whole=1000)
    assert np.allclose(whole[:, 100:900], 0.5, atol=1e-5)
    assert (np.diff(whole[0, :101]) > 0).all()
    assert whole[0, 0] < 1e-3
    assert np.allclose(whole[0, 50], 0.5 * 0.5**0.5, atol=1e-4), "half the power in the middle of the fade"
    assert np.allclose(whole, whole[:, ::-1])
    parts = [
        cut_out(wave[:, a:b], 1000, gain_db=-6.0206, fade_seconds=0.1, offset=a, whole=1000)
        for a, b in ((0, 37), (37, 60), (60, 950), (950, 1000))
    ]
    assert np.array_equal(np.concatenate(parts, 1), whole)
    assert cut_out(wave, 1000, gain_db=0.0, fade_seconds=0.0, offset=0, whole=1000) is wave
    short = cut_out(wave[:, :10], 1000, gain_db=0.0, fade_seconds=1.0, offset=0, whole=10)
    assert short[0, 4] > 0.9, "two fades that would meet share the piece"
    crossed = cut_out(wave, 1000, gain_db=0.0, fade_seconds=0.1, offset=0, whole=1000)[0]
    assert np.allclose(crossed[1:100] ** 2 + crossed[-100:-1] ** 2, 1.0, atol=1e-5), (
        "power stays in a crossing"
    )
    assert wave.min() == 1.0, "the map itself is not touched"
