"""Excerpts of folders, and ways to spoil them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from disco.apps.excerpts import Excerpts
from disco.apps.spoil import LowPass, Noise, Spoil, Wow
from disco.apps.takes import read_takes
from disco.audio.clip import Clip
from disco.audio.io import write_clip
from disco.core.record import Record, read_manifest, write_manifest
from disco.errors import DiscoError

RATE = 16000


def tone(hertz: float, seconds: float = 2.0, level: float = 0.5) -> Clip:
    time = torch.arange(round(seconds * RATE), dtype=torch.float64) / RATE
    return Clip((level * torch.sin(2 * torch.pi * hertz * time))[None].float(), RATE)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data set of three pieces: 5 s and 1 s of book `a`, 5 s of book `b`."""
    records = []
    for name, book, seconds in (("long", "a", 5.0), ("short", "a", 1.0), ("other", "b", 5.0)):
        ramp = torch.linspace(0, 0.5, round(seconds * RATE))[None]
        write_clip(tmp_path / "audio" / f"{name}.wav", Clip(ramp, RATE))
        records.append(
            Record(
                id=name,
                file_path=f"audio/{name}.wav",
                duration=seconds,
                sample_rate=RATE,
                book=book,
                genre=["reel", "slow"],
                tempo=120.0,
                key="D major",
            )
        )
    write_manifest(tmp_path / "metadata" / "manifest.jsonl", records)
    return tmp_path


def excerpts(folder: Path, **changes) -> Excerpts:
    settings = {"where": None, "start": 0.0, "seconds": 2.0, "each": 9, "count": None, "spoil": None}
    return Excerpts(folder=str(folder), **settings | changes)


def names(folder: Path) -> list[str]:
    return [record.id for record in read_manifest(folder / "manifest.jsonl")]


def test_pieces_are_cut_one_excerpt_behind_the_other_and_short_ones_left_out(data: Path) -> None:
    out = excerpts(data, start=0.5).write(data / "out")
    assert names(out) == ["long@0.5s", "long@2.5s", "other@0.5s", "other@2.5s"]
    takes = read_takes(out)
    assert {take.sound.seconds for take in takes} == {2.0}
    assert float(takes[0].sound.wave[0, 0]) == pytest.approx(0.5 * 0.5 / 5.0, abs=1e-3), "it begins there"


def test_only_pieces_that_are_asked_for_are_taken(data: Path) -> None:
    assert names(excerpts(data, where={"book": "b"}, each=1).write(data / "out")) == ["other@0s"]
    both = {"book": ["a", "b"], "genre": "reel"}
    assert names(excerpts(data, where=both, each=1).write(data / "out")) == ["long@0s", "other@0s"]


def test_fewer_are_spread_over_the_pieces(data: Path) -> None:
    assert names(excerpts(data, count=2).write(data / "out")) == ["long@0s", "other@0s"]


def test_only_the_sound_and_its_key_go_on(data: Path) -> None:
    (take, *_) = read_takes(excerpts(data).write(data / "out"))
    assert (take.notes, take.tempo_bpm, take.asked.key) == (None, None, "D major")


def test_a_folder_of_audio_needs_no_manifest(tmp_path: Path) -> None:
    for name, seconds in (("a", 3.0), ("b", 1.0)):
        write_clip(tmp_path / "in" / f"{name}.flac", tone(440.0, seconds))
    assert names(excerpts(tmp_path / "in").write(tmp_path / "out")) == ["a@0s"]
    write_clip(tmp_path / "in" / "album" / "c.flac", tone(440.0))
    assert names(excerpts(tmp_path / "in").write(tmp_path / "out")) == ["a@0s", "album:c@0s"]


def test_what_is_not_there_is_refused(data: Path) -> None:
    with pytest.raises(DiscoError, match="no piece of 2 s that fits book c"):
        excerpts(data, where={"book": "c"}).write(data / "out")
    with pytest.raises(DiscoError, match="no field 'bok'"):
        excerpts(data, where={"bok": "a"})
    (data / "noise.ogg").write_bytes(b"OggS and nothing")
    (data / "metadata" / "manifest.jsonl").unlink()
    with pytest.raises(DiscoError, match=r"noise\.ogg"):
        excerpts(data).write(data / "out")


WAYS = [Noise(ratio_db=10.0), LowPass(hertz=1000.0), Wow(cents=60.0, hertz=4.0)]


def spoilt(spoil: Spoil, clip: Clip, seed: int = 0) -> Clip:
    return spoil(clip, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("spoil", WAYS, ids=lambda spoil: type(spoil).__name__)
def test_the_same_seed_spoils_alike_and_keeps_length_and_channels(spoil: Spoil) -> None:
    clip = Clip(torch.cat([tone(440.0).wave, tone(660.0).wave]), RATE)
    first, again = spoilt(spoil, clip), spoilt(spoil, clip)
    assert first.wave.shape == clip.wave.shape
    assert torch.equal(first.wave, again.wave)
    assert not torch.allclose(first.wave, clip.wave, atol=1e-2)


def test_spoilt_copies_belong_to_what_they_are_copies_of(data: Path) -> None:
    clean = excerpts(data).write(data / "clean")
    assert names(excerpts(data, spoil=WAYS[0]).write(data / "noisy")) == names(clean)


def test_noise_has_the_asked_level() -> None:
    clip = tone(440.0, level=0.3)
    rest = spoilt(Noise(ratio_db=10.0), clip).wave - clip.wave
    assert float(20 * torch.log10(clip.wave.std() / rest.std())) == pytest.approx(10.0, abs=0.1)
    loud = spoilt(Noise(ratio_db=-10.0), tone(440.0, level=1.0))
    assert float(loud.wave.abs().max()) <= 1.0, "turned down, not cut"


def test_low_pass_takes_the_treble_and_leaves_the_bass() -> None:
    low, high = (spoilt(LowPass(hertz=1000.0), tone(hertz)).wave[0, 2000:] for hertz in (200.0, 4000.0))
    assert float(low.abs().max()) == pytest.approx(0.5, rel=0.02)
    assert float(high.abs().max()) < 0.5 * 10 ** (-40 / 20)
    clip = tone(440.0)
    assert torch.equal(spoilt(LowPass(hertz=9000.0), clip).wave, clip.wave), (
        "nothing lies above half the rate"
    )


def test_wow_moves_pitch_by_the_asked_cents() -> None:
    wave = spoilt(Wow(cents=60.0, hertz=4.0), tone(1000.0)).wave[0].double().numpy()
    crossings = np.flatnonzero(np.diff(np.signbit(wave))) + 0.0
    crossings += np.abs(wave[crossings.astype(int)]) / np.abs(np.diff(wave)[crossings.astype(int)])
    hertz = 4 * RATE / (crossings[8:] - crossings[:-8])
    cents = 1200 * np.log2(hertz / 1000.0)
    assert math.isclose(cents.max(), 60.0, abs_tol=6.0)
    assert math.isclose(cents.min(), -60.0, abs_tol=6.0)
