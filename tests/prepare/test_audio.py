"""A folder of recordings becomes a data set: whole, split, told of, and never prepared twice."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from disco.audio.mapped import open_mapped
from disco.core.record import read_manifest
from disco.core.stage import Notes, Stage
from disco.errors import DiscoError
from disco.executors.serial import Serial
from disco.prepare import work
from disco.prepare.keep import Grown, read_curves, shrink
from disco.prepare.verify import verify
from tests.prepare.tiny import (
    RATE,
    Cut,
    Level,
    Misbehaves,
    engine,
    prepare,
    songs,
    stages,
    tone,
    tree,
    write_sound,
)

GUIDE = (
    "audio/features", "audio/processed", "audio/raw", "metadata", "midi/augmented", "midi/raw",
    "midi/tokenized", "multimodal",
)  # fmt: skip


def report(target: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (target / "metadata" / "report.jsonl").read_text().splitlines():
        row = json.loads(line)
        assert row["reason"]
        assert row["cure"]
        found.setdefault(row["file"], []).append(row["code"])
    return found


class Counting(Serial):
    """Counts what it is given to do."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def run(self, work, items):  # type: ignore[no-untyped-def]
        self.names += [item.found.name for item in items]
        return super().run(work, items)


def test_every_file_arrives_with_its_sound_its_curves_and_its_place(tmp_path: Path) -> None:
    source, target = songs(tmp_path / "music"), tmp_path / "set"
    records = prepare(source, target)
    assert sorted(p.relative_to(target).as_posix() for p in target.rglob("*/") if p.is_dir() and not any(
        child.is_dir() for child in p.iterdir()
    )) == list(GUIDE)  # fmt: skip
    assert Counter(record.source for record in records) == {
        "0.wav": 1, "3.wav": 3, "one/1.wav": 1, "one/4.wav": 3, "two/2.wav": 2, "two/5.wav": 4,
    }  # fmt: skip
    for record in records:
        number = int(str(record.title))
        wave = open_mapped(target / record.file_path)
        assert wave is not None
        assert wave.frames == round((0.6 + 0.3 * number) * RATE), "the file is stored whole"
        wanted = tone(0.6 + 0.3 * number, 150.0 + 40.0 * number)[:, 0]
        first = round(record.start * RATE)
        assert np.abs(wave.read(first, 4000)[0] - wanted[first : first + 4000]).max() < 2 / 32768
        heard = 0.25 / 10 ** (record.gain_db / 20)
        assert heard == pytest.approx(record.features["level"], rel=1e-6), "the gain is a number beside it"
        assert record.provenance["tempo"] == "analysis:level"
        curves = Grown(read_curves(target / "audio" / "features" / f"{record.id[:16]}.npz"))
        assert len(curves["rms"]) == int(wave.frames / RATE * 10)
    assert read_manifest(target / "metadata" / "manifest.jsonl") == records
    assert {record.split for record in records} == {"train", "val", "test"}
    assert verify(target) == {}


def test_an_unchanged_folder_is_not_touched_again(tmp_path: Path) -> None:
    source, target = songs(tmp_path / "music"), tmp_path / "set"
    first = prepare(source, target)
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*")}
    counting = Counting()
    assert prepare(source, target, executor=counting) == first
    assert counting.names == []
    after = {path: path.stat().st_mtime_ns for path in target.rglob("*")}
    assert {path: after[path] for path in after if path.is_file()} == {
        path: before[path] for path in before if path.is_file()
    }
    for path in source.rglob("*.wav"):
        os.utime(path, (0, 4e9))  # 1970 and the future say nothing of the content
    assert prepare(source, target, executor=counting) == first
    assert all(before[p] == p.stat().st_mtime_ns for p in (target / "audio" / "processed").iterdir())


@pytest.mark.parametrize("change", ["new", "gone", "renamed", "other sound", "caption", "lost output"])
def test_only_what_changed_is_made_again_and_the_result_is_that_of_a_clean_run(
    tmp_path: Path, change: str
) -> None:
    source, target = songs(tmp_path / "music"), tmp_path / "set"
    prepare(source, target)
    stamps = {path.name: path.stat().st_mtime_ns for path in (target / "audio" / "processed").iterdir()}
    if change == "new":
        write_sound(source / "new.wav", 0.7, 99.0)
    elif change == "gone":
        (source / "3.wav").unlink()
    elif change == "renamed":
        (source / "3.wav").rename(source / "one" / "other name.wav")
    elif change == "other sound":
        write_sound(source / "3.wav", 1.5, 333.0)
    elif change == "caption":
        (source / "3.txt").write_text("A slow air")
    else:
        next((target / "audio" / "processed").iterdir()).unlink()
    records = prepare(source, target)
    kept = [
        p for p in (target / "audio" / "processed").iterdir() if stamps.get(p.name) == p.stat().st_mtime_ns
    ]
    assert len(kept) == (5 if change in ("gone", "other sound", "lost output") else 6)
    if change == "caption":
        assert {r.caption for r in records if r.source == "3.wav"} == {"A slow air"}
        assert {r.provenance["caption"] for r in records if r.caption} == {"human"}
    for name in ("manifest.jsonl", "receipt.json"):
        (target / "metadata" / name).unlink()
    prepare(source, target)
    prepare(source, tmp_path / "clean")
    assert tree(target) == tree(tmp_path / "clean")


def test_another_parameter_remakes_only_what_hangs_on_it(tmp_path: Path) -> None:
    source, target = songs(tmp_path / "music"), tmp_path / "set"
    prepare(source, target)
    before = {path.name: path.stat().st_mtime_ns for path in (target / "audio" / "processed").iterdir()}
    longer = stages(cut=Cut(seconds=0.8))
    records = prepare(source, target, steps=longer)
    assert {record.duration for record in records} == {0.8}
    after = {path.name: path.stat().st_mtime_ns for path in (target / "audio" / "processed").iterdir()}
    assert after == before, "cutting reads only notes: the sound is not decoded again"
    louder = stages(level=Level(target=0.5), cut=Cut(seconds=0.8))
    gains = {record.id: record.gain_db for record in records}
    for record in prepare(source, target, steps=louder):
        assert record.gain_db == pytest.approx(gains[record.id] + 6.0206, abs=1e-3)
    (target / "metadata" / "manifest.jsonl").unlink()
    prepare(source, target, steps=louder)
    prepare(source, tmp_path / "clean", steps=louder)
    assert tree(target) == tree(tmp_path / "clean")


def test_pieces_can_be_written_as_they_are_heard(tmp_path: Path) -> None:
    source = songs(tmp_path / "music", 3)
    virtual = prepare(source, tmp_path / "virtual")
    real = prepare(source, tmp_path / "real", materialise=True)
    assert [record.id for record in real] == [record.id for record in virtual]
    for one, other in zip(real, virtual, strict=True):
        assert (one.start, one.gain_db, one.fade_seconds) == (0.0, 0.0, 0.0)
        piece = open_mapped(tmp_path / "real" / one.file_path)
        whole = open_mapped(tmp_path / "virtual" / other.file_path)
        assert piece is not None
        assert whole is not None
        assert piece.frames == round(one.duration * RATE)
        wave = piece.read(0, piece.frames)[0]
        wanted = whole.read(round(other.start * RATE), piece.frames)[0] * 10 ** (other.gain_db / 20)
        fade = round(other.fade_seconds * RATE)
        assert np.abs(wave - wanted)[fade:-fade].max() < 2 / 32768
        assert abs(wave[0]) <= 0.02
        assert abs(wave[-1]) <= 0.02
    assert verify(tmp_path / "real") == {}


def test_bad_files_are_named_with_reason_and_cure_and_the_others_go_on(tmp_path: Path) -> None:
    source, target = songs(tmp_path / "music", 3), tmp_path / "set"
    whole = (source / "0.wav").read_bytes()
    (source / "cut.wav").write_bytes(whole[: len(whole) // 3])
    (source / "header.wav").write_bytes(whole[:30])
    (source / "nothing.wav").touch()
    (source / "letter.wav").write_text("<html>Dear listener</html>")
    write_sound(source / "silence.wav", 1.0, level=0.0)
    shutil.copy(source / "0.wav", source / "zopy.wav")
    os.mkfifo(source / "pipe.wav")
    records = prepare(source, target)
    assert {record.source for record in records} == {"0.wav", "one/1.wav", "two/2.wav"}
    told = report(target)
    assert told["cut.wav"] == ["truncated"]
    assert told["silence.wav"] == ["silent"]
    assert told["zopy.wav"] == ["duplicate"]
    assert told["pipe.wav"] == ["not_regular"]
    assert set(told) == {
        "cut.wav",
        "header.wav",
        "nothing.wav",
        "letter.wav",
        "silence.wav",
        "zopy.wav",
        "pipe.wav",
    }
    counting = Counting()
    prepare(source, target, executor=counting)
    assert counting.names == [], "what was refused is not decoded again"


def test_a_mistake_in_a_stage_costs_one_file_and_is_tried_again(tmp_path: Path) -> None:
    source, target = songs(tmp_path / "music", 3), tmp_path / "set"
    write_sound(source / "raise.wav")
    assert len({r.source for r in prepare(source, target, steps=stages(bad=Misbehaves()))}) == 3
    assert report(target)["raise.wav"] == ["internal_error"]
    counting = Counting()
    prepare(source, target, steps=stages(bad=Misbehaves()), executor=counting)
    assert counting.names == ["raise.wav"]


class Needs(Stage):
    """Cannot work with what there is."""

    def conclude(self, notes: Notes) -> None:
        raise DiscoError("segment needs chroma", do="put features before it")


def test_stages_that_do_not_fit_together_stop_at_once_with_their_sentence(tmp_path: Path) -> None:
    with pytest.raises(DiscoError, match="segment needs chroma; put features before it"):
        prepare(songs(tmp_path / "music"), tmp_path / "set", steps=stages(needs=Needs()))


@pytest.mark.parametrize("times", [1, 5])
def test_a_file_that_changes_while_it_is_read_is_read_again_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    source, target = songs(tmp_path / "music", 2), tmp_path / "set"
    read, left = work.file_hash, [times]

    def disturbed(path: Path) -> str:
        found = read(path)
        if path.name == "0.wav" and left[0]:
            left[0] -= 1
            write_sound(path, 0.9, 400.0 + 10 * left[0])
        return found

    monkeypatch.setattr(work, "file_hash", disturbed)
    records = prepare(source, target)
    changed = {record.source: record.duration for record in records}
    if times == 1:
        assert set(changed) == {"0.wav", "one/1.wav"}
        assert report(target) == {}
        assert verify(target) == {}
    else:
        assert set(changed) == {"one/1.wav"}
        assert report(target) == {"0.wav": ["changed"]}
        assert len(list((target / "audio" / "processed").iterdir())) == 1, "no half of it is left"


def test_a_file_that_vanishes_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = songs(tmp_path / "music", 2), tmp_path / "set"
    opened = work.AudioStream

    def vanishing(path: Path):  # type: ignore[no-untyped-def]
        if path.name == "0.wav":
            path.unlink(missing_ok=True)
        return opened(path)

    monkeypatch.setattr(work, "AudioStream", vanishing)
    assert {record.source for record in prepare(source, target)} == {"one/1.wav"}
    assert report(target)["0.wav"] == ["changed"]


def test_a_flipped_bit_is_found_and_mended(tmp_path: Path) -> None:
    source, target = songs(tmp_path / "music"), tmp_path / "set"
    prepare(source, target)
    before = tree(target)
    sound = sorted((target / "audio" / "processed").iterdir())[2]
    data = bytearray(sound.read_bytes())
    data[len(data) // 2] ^= 4
    sound.write_bytes(data)
    curves = sorted((target / "audio" / "features").iterdir())[0]
    curves.unlink()
    wrong = verify(target)
    assert {name: problem.code for name, problem in wrong.items()} == {
        f"audio/processed/{sound.name}": "changed", f"audio/features/{curves.name}": "missing",
    }  # fmt: skip
    for name in wrong:
        (target / name).unlink(missing_ok=True)
    prepare(source, target)
    assert verify(target) == {}
    assert tree(target) == before
    journal = target / "metadata" / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-9])
    assert verify(target)["metadata/journal.jsonl"].code == "torn"


def test_places_that_cannot_be_are_refused_before_any_work(tmp_path: Path) -> None:
    source = songs(tmp_path / "music", 1)
    for target, words in (
        (source, "inside the source"),
        (source / "set", "inside the source"),
        (tmp_path / "music" / ".." / "music", "inside the source"),
    ):
        with pytest.raises(DiscoError, match=words):
            prepare(source, target)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DiscoError, match=r"cannot be written to .*Not a directory"):
        prepare(source, tmp_path / "file")
    with pytest.raises(DiscoError, match="cannot be written to"):
        prepare(source, Path("/proc/disco"))
    with pytest.raises(DiscoError, match="is not a folder"):
        prepare(tmp_path / "nowhere", tmp_path / "set")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DiscoError, match="holds no"):
        prepare(tmp_path / "empty", tmp_path / "set")
    with pytest.raises(DiscoError, match="give both"):
        engine(source, None)
    assert tree(source) == tree(songs(tmp_path / "same", 1))


def test_curves_keep_what_they_say(tmp_path: Path) -> None:
    mel = np.random.default_rng(0).gamma(0.3, size=(5000, 128)).astype(np.float32)
    back = Grown(shrink({"mel": mel, "fingerprint": np.arange(9, dtype=np.uint32)}))
    assert back.names() == {"mel", "fingerprint"}
    assert "mel" in back
    assert np.abs(10 * np.log10(back["mel"] / np.maximum(mel, 1e-10))).max() < 0.04
    assert back["fingerprint"].dtype == np.uint32
