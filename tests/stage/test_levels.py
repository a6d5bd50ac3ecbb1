"""What the stages of level do to a file, and what they note of it."""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from disco.audio.dither import Dither
from disco.errors import DiscoError
from tests.stage.helpers import passed
from tests.stage.passing import stage


def tone(rate: int, seconds: float, channels: int = 2, level: float = 0.3) -> np.ndarray:
    time = np.arange(round(rate * seconds)) / rate
    return np.tile(level * np.sin(2 * np.pi * 440 * time)[:, None], (1, channels))


def written(path: Path, wave: np.ndarray, rate: int, subtype: str = "PCM_16") -> Path:
    soundfile.write(path, wave, rate, subtype=subtype)
    return path


SOURCES = [
    (22050, 1, "PCM_U8"), (44100, 2, "PCM_16"), (48000, 2, "PCM_24"), (96000, 1, "FLOAT"),
    (44100, 6, "PCM_24"), (48000, 8, "PCM_16"), (8000, 1, "ALAW"), (192000, 2, "PCM_32"),
]  # fmt: skip


@pytest.mark.parametrize(("rate", "channels", "subtype"), SOURCES)
def test_every_source_leaves_at_one_rate_and_channel_count(
    tmp_path: Path, rate: int, channels: int, subtype: str
) -> None:
    path = written(tmp_path / "a.wav", tone(rate, 1.5, channels), rate, subtype)
    notes, wave = passed(path, [stage("standardize", bits=24)])
    assert (notes.rate, notes.channels, notes.bits) == (32000, 2, 24)
    assert wave.shape == (2, 48000)
    spectrum = np.abs(np.fft.rfft(wave[0, 8000:40000] * np.hanning(32000)))
    assert spectrum.argmax() == 440
    assert not notes.problems


def test_the_length_of_any_rate_is_exact(tmp_path: Path) -> None:
    for rate in (8000, 11025, 22050, 44100, 48000, 192000):
        path = written(tmp_path / f"{rate}.wav", tone(rate, 0.777), rate)
        _, wave = passed(path, [stage("standardize")])
        assert wave.shape[1] == round(round(0.777 * rate) * 32000 / rate)


def test_the_file_s_own_rate_and_channels_can_be_kept(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", tone(44100, 1.0, 6), 44100)
    notes, wave = passed(path, [stage("standardize", rate=None, channels=None)])
    assert (notes.rate, notes.channels) == (44100, 6)
    assert np.array_equal(Dither(bits=16, seed=1).push(wave), wave), "16 bits stay what they are"


@pytest.mark.parametrize("frames", [1, 320, 12000])
def test_a_clip_of_an_instant_is_too_short(tmp_path: Path, frames: int) -> None:
    path = written(tmp_path / "a.wav", tone(32000, 1.0)[:frames], 32000)
    notes, _ = passed(path, [stage("standardize"), stage("loudness"), stage("trim")])
    assert [(problem.code, problem.verdict) for problem in notes.problems] == [("too_short", "refuse")]
    assert notes.gain_db == 0
    assert all(np.isfinite(value) for value in notes.features.values())


def test_silence_is_refused_and_gets_no_gain(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", np.zeros((64000, 2)), 32000)
    notes, _ = passed(path, [stage("standardize"), stage("denoise"), stage("loudness"), stage("trim")])
    assert [(problem.code, problem.verdict) for problem in notes.problems] == [("silent", "refuse")]
    assert notes.gain_db == 0
    assert notes.span == (0.0, 2.0)
    assert not notes.features


def test_loudness_is_noted_and_the_gain_reaches_minus_14(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", tone(44100, 4.0, level=0.1), 44100)
    notes, _ = passed(path, [stage("standardize"), stage("loudness")])
    found = notes.features
    assert found["loudness_lufs"] == pytest.approx(-20.7, abs=0.3)  # the weighting at 440 Hz
    assert found["true_peak_dbtp"] == pytest.approx(-20, abs=0.1)
    assert found["crest_db"] == pytest.approx(3.01, abs=0.1)
    assert found["loudness_range_lu"] == pytest.approx(0, abs=0.2)
    assert found["loudness_lufs"] + notes.gain_db == pytest.approx(-14, abs=1e-6)
    assert set(found) >= {"short_term_max_lufs", "momentary_max_lufs", "peak_to_loudness_lu", "dynamic_range"}


def test_a_peak_holds_the_gain_below_the_ceiling(tmp_path: Path) -> None:
    wave = tone(32000, 4.0, level=0.02)
    wave[50000] = 0.9
    notes, _ = passed(written(tmp_path / "a.wav", wave, 32000), [stage("loudness")])
    assert notes.features["true_peak_dbtp"] + notes.gain_db == pytest.approx(-1, abs=1e-6)


def test_trim_notes_where_the_sound_is(tmp_path: Path) -> None:
    wave = np.concatenate([np.zeros((31000, 2)), tone(44100, 2.0), np.zeros((57000, 2))])
    path = written(tmp_path / "a.wav", wave, 44100)
    notes, stored = passed(path, [stage("standardize"), stage("trim")])
    assert notes.kept == pytest.approx((31000 / 44100, 31000 / 44100 + 2.0), abs=0.01)
    assert notes.fade_seconds == 0.01
    assert stored.shape[1] == round(len(wave) * 32000 / 44100), "what is stored is whole"


def test_trim_refuses_levels_in_the_wrong_order() -> None:
    with pytest.raises(DiscoError, match="close_db"):
        stage("trim", open_db=-60.0, close_db=-40.0)


def test_denoise_reports_what_it_removed(tmp_path: Path) -> None:
    hiss = 0.01 * np.random.default_rng(0).standard_normal((128000, 2))
    path = written(tmp_path / "a.wav", tone(32000, 4.0) + hiss, 32000)
    notes, wave = passed(path, [stage("denoise")])
    assert wave.shape == (2, 128000)
    assert -35 < notes.features["denoise_removed_db"] < -15


@pytest.mark.parametrize("name", ["standardize", "denoise", "loudness", "trim"])
def test_stages_travel_to_workers(name: str) -> None:
    copied = pickle.loads(pickle.dumps(stage(name)))
    assert vars(copied) == vars(stage(name))


@pytest.mark.long
def test_workers_need_no_torch() -> None:
    names = ("standardize", "denoise", "loudness", "trim")
    lines = ["import sys", *(f"import disco.stage.{name}" for name in names), "import disco.audio.stream"]
    lines.append("sys.exit('torch' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", "\n".join(lines)], check=False).returncode == 0


LONG = """
import re, sys
from importlib import import_module
from pathlib import Path
from omegaconf import OmegaConf
from disco.audio.dither import Dither
from disco.audio.stream import AudioStream
from disco.core.stage import Notes, Source
stages = []
for name in ("standardize", "loudness", "trim"):
    settings = dict(OmegaConf.load(f"conf/stage/{name}.yaml")[name])
    settings.pop("_target_")
    stages.append(getattr(import_module(f"disco.stage.{name}"), name.capitalize())(**settings))
path = Path(sys.argv[1])
with AudioStream(path) as stream:
    source = Source(path=path, name="a", key="0" * 16, rate=stream.rate, channels=2, frames=stream.frames)
    notes = Notes(source=source, rate=stream.rate, channels=stream.channels)
    taps = [one.open(notes) for one in stages]
    dither = Dither(bits=16, seed=1)
    frames = 0
    def through(taps, block):
        for tap in taps:
            block = tap.push(block)
        return dither.push(block).shape[1]
    for block in stream:
        frames += through(taps, block)
    for place, tap in enumerate(taps):
        frames += through(taps[place + 1 :], tap.flush())
# Not ru_maxrss, which a child inherits from the process that started it.
print(frames, int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


@pytest.mark.long
def test_two_hours_of_48_khz_stereo_take_little_memory(tmp_path: Path) -> None:
    minute, size = 0.1 * np.random.default_rng(0).standard_normal((48000 * 60, 2)), 7200 * 48000 * 4
    path = written(tmp_path / "long.wav", minute, 48000)
    with path.open("r+b") as file:  # the rest is a hole in the file, which reads as silence
        file.truncate(44 + size)
        for place, promised in ((4, 36 + size), (40, size)):
            file.seek(place)
            file.write(struct.pack("<I", promised))
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    root = Path(__file__).parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", LONG, str(path)],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    frames, peak = (int(word) for word in ran.stdout.split())
    assert frames == 7200 * 32000
    assert peak <= 300, f"{peak} MB"
