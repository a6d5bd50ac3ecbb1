"""Sound files keep what is written into them, and bad files are refused with a sentence."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from disco.audio.clip import Clip
from disco.audio.io import read_clip, write_clip
from disco.errors import DiscoError


def _tone(rate: int = 32000, seconds: float = 1.0, hz: float = 440.0, channels: int = 1) -> Clip:
    time = torch.arange(int(rate * seconds), dtype=torch.float64) / rate
    return Clip(0.5 * torch.sin(2 * torch.pi * hz * time).float().repeat(channels, 1), rate)


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_16_bit_file_gives_back_what_it_gave_before(tmp_path: Path, suffix: str) -> None:
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    clip = _tone(channels=2)
    write_clip(first, clip)
    read = read_clip(first)
    assert (read.wave - clip.wave).abs().max() <= 0.5 / 32768
    write_clip(second, read)
    assert torch.equal(read_clip(second).wave, read.wave)


@pytest.mark.parametrize("suffix", [".ogg", ".mp3"])
def test_lossy_files_keep_a_tone(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"tone{suffix}"
    write_clip(path, _tone(hz=1000.0))
    spectrum = read_clip(path, channels=1).wave[0, 8000:24000].numpy()
    peak = np.abs(np.fft.rfft(spectrum * np.hanning(len(spectrum)))).argmax()
    assert peak * 32000 / len(spectrum) == pytest.approx(1000, abs=3)


def test_start_and_seconds_cut_the_same_samples_out(tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    write_clip(path, _tone(hz=333.0))
    whole = read_clip(path).wave
    assert torch.equal(read_clip(path, start=0.25, seconds=0.5).wave, whole[:, 8000:24000])
    assert read_clip(path, start=0.75, seconds=5.0).seconds == pytest.approx(0.25)


def test_resampling_keeps_pitch_level_and_place(tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    write_clip(path, _tone(rate=44100))
    slow = read_clip(path, rate=16000)
    ideal = _tone(rate=16000)
    assert slow.rate == 16000
    assert slow.wave.shape == ideal.wave.shape
    assert (slow.wave - ideal.wave)[:, 200:-200].abs().max() < 1e-3


def test_resampling_removes_what_the_new_rate_cannot_carry() -> None:
    assert _tone(rate=44100, hz=15000.0).resampled(16000).wave[:, 1000:-1000].abs().max() < 1e-3


def test_channels_are_averaged_or_copied_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "two.wav"
    left = _tone().wave
    write_clip(path, Clip(torch.cat([left, -left]), 32000))
    assert read_clip(path, channels=1).wave.abs().max() <= 1 / 32768
    assert read_clip(path).mono().channels == 1
    with pytest.raises(DiscoError, match="cannot become 3"):
        read_clip(path, channels=3)


def test_clipping_is_refused_or_counted(tmp_path: Path) -> None:
    path = tmp_path / "loud.wav"
    loud = Clip(_tone().wave * 4, 32000)
    with pytest.raises(DiscoError, match="beyond full scale"):
        write_clip(path, loud)
    assert not path.exists()
    num_clipped = write_clip(path, loud, allow_clipping=True)
    assert num_clipped == int((loud.wave.abs() > 1).sum())
    assert read_clip(path).wave.abs().max() <= 1


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    write_clip(path, _tone())
    before = path.read_bytes()
    with pytest.raises(DiscoError, match="NaN"):
        write_clip(path, Clip(torch.full((1, 100), float("nan")), 32000))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_broken_files_are_refused_with_what_to_do(tmp_path: Path) -> None:
    good = tmp_path / "good.wav"
    write_clip(good, _tone())
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("no sound in here, only words")
    (tmp_path / "cut.wav").write_bytes(good.read_bytes()[:10000])
    soundfile.write(tmp_path / "nan.wav", np.full(100, np.nan, np.float32), 32000, subtype="FLOAT")
    os.mkfifo(tmp_path / "pipe.wav")
    reasons = {
        "none.wav": "does not exist",
        "empty.wav": "is empty",
        "text.wav": "cannot be read",
        "cut.wav": "is cut off",
        "nan.wav": "NaN",
        "pipe.wav": "not a regular file",
    }
    for name, reason in reasons.items():
        with pytest.raises(DiscoError, match=reason) as caught:
            read_clip(tmp_path / name)
        assert name in caught.value.message
        assert caught.value.do
    with pytest.raises(DiscoError, match=r"none from 2\.00 s on"):
        read_clip(good, start=2.0)


def test_a_clip_refuses_waves_of_the_wrong_shape() -> None:
    for wave in (torch.zeros(2, 3, 4), torch.zeros(1, 4, dtype=torch.int16), torch.zeros(0, 4)):
        with pytest.raises((ValueError, TypeError)):  # a TypeError where annotations are checked
            Clip(wave, 32000)
