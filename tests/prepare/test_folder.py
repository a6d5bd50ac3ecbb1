"""A folder of whatever people have becomes a data set; what cannot be read is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from disco.audio.clip import Clip
from disco.audio.io import read_clip, write_clip
from disco.core.record import read_manifest
from disco.errors import DiscoError
from disco.prepare.folder import Folder


def tone(hertz: float, rate: int, channels: int = 1, seconds: float = 1.0) -> Clip:
    time = torch.arange(round(seconds * rate)) / rate
    return Clip(0.5 * torch.sin(2 * torch.pi * hertz * time).expand(channels, -1).contiguous(), rate)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Four formats in four rates, an album of three, and two files that only look like audio."""
    folder = tmp_path / "music"
    write_clip(folder / "one.wav", tone(440, 44100, 2))
    write_clip(folder / "two.flac", tone(550, 48000))
    write_clip(folder / "three.ogg", tone(660, 32000))
    write_clip(folder / "four.MP3".lower(), tone(770, 44100))
    for number in range(3):
        write_clip(folder / "album" / f"{number}.wav", tone(300 + 50 * number, 16000, seconds=0.5))
    broken = (folder / "one.wav").read_bytes()[:60]
    (folder / "broken.flac").write_bytes(broken)
    (folder / "letter.wav").write_text("Dear listener, this is no sound.\n")
    (folder / "notes.txt").write_text("not asked for\n")
    return folder


def prepared(source: Path, target: Path, **settings: int):
    told: list[tuple[int, int]] = []
    stage = Folder(source=str(source), target=str(target), **{"rate": 16000, "channels": 1, **settings})
    return stage.run(lambda done, total: told.append((done, total))), told


def test_every_format_arrives_at_one_rate_with_its_pitch(source: Path, tmp_path: Path) -> None:
    records, told = prepared(source, tmp_path / "set")
    assert told[-1] == (9, 9)
    assert {one.source for one in records} == {
        "one.wav", "two.flac", "three.ogg", "four.mp3", "album/0.wav", "album/1.wav", "album/2.wav",
    }  # fmt: skip
    hertz = {"one": 440, "two": 550, "three": 660, "four": 770}
    for one in records:
        clip = read_clip(tmp_path / "set" / one.file_path)
        assert (clip.rate, clip.channels) == (one.sample_rate, one.channels) == (16000, 1)
        assert one.duration == pytest.approx(clip.seconds)
        if one.title in hertz:
            spectrum = torch.fft.rfft(clip.wave[0, :16000], n=16000).abs()
            assert spectrum.argmax().item() == pytest.approx(hertz[one.title], abs=1)
            assert clip.seconds == pytest.approx(1.0, abs=0.1)
    assert read_manifest(tmp_path / "set" / "metadata" / "manifest.jsonl") == records


def test_what_cannot_be_read_is_named_with_its_reason(source: Path, tmp_path: Path) -> None:
    prepared(source, tmp_path / "set")
    lines = (tmp_path / "set" / "metadata" / "refused.txt").read_text().splitlines()
    assert sorted(line.split(":")[0] for line in lines) == ["broken.flac", "letter.wav"]
    assert all(len(line.split(":", 1)[1].strip()) > 10 for line in lines)


def test_an_album_stands_on_one_side_and_every_side_has_music(source: Path, tmp_path: Path) -> None:
    records, _ = prepared(source, tmp_path / "set")
    assert len({one.split for one in records if one.group == "album"}) == 1
    assert {one.split for one in records} == {"train", "val", "test"}
    again, _ = prepared(source, tmp_path / "again")
    assert [one.split for one in again] == [one.split for one in records]


def test_nothing_readable_and_targets_inside_the_source_are_refused(source: Path, tmp_path: Path) -> None:
    for path in source.rglob("*"):
        if path.is_file():
            path.write_text("no sound")
    with pytest.raises(DiscoError, match="no file could be read"):
        prepared(source, tmp_path / "set")
    with pytest.raises(DiscoError, match="inside the source"):
        prepared(source, source / "set")
    with pytest.raises(DiscoError, match="give both"):
        Folder(source=None, target=str(tmp_path), rate=16000, channels=1)
