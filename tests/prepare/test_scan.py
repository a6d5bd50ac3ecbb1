"""Every real sound file is found once, under any name, and nothing else is opened."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from disco.prepare.scan import scan, told
from tests.prepare.tiny import prepare, write_sound

NAMES = [
    "曲の名前.wav", "it's \"quoted\".wav", "two\nlines.wav", "-leading.wav", "..dots...wav", "Case.wav",
    "a" * 251 + ".wav", os.fsdecode(b"\xff\xfe-latin-\xe9.wav"), "with\ttab\\and\\slash.wav",
]  # fmt: skip


def names(folder: Path) -> list[str]:
    return [one.name for one in scan(folder).files]


def test_what_is_no_regular_file_is_passed_over_without_being_opened(tmp_path: Path) -> None:
    write_sound(tmp_path / "good.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "nowhere.wav").symlink_to(tmp_path / "gone.wav")
    (tmp_path / "device.wav").symlink_to("/dev/zero")
    (tmp_path / "self.wav").symlink_to(tmp_path / "self.wav")
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "notes.xyz").write_text("nobody asks for this")
    (tmp_path / "old.wma").write_text("no decoder")
    found = scan(tmp_path)
    assert names(tmp_path) == ["good.wav"]
    codes = {name: problem.code for name, problem in found.problems.items()}
    assert codes == {
        **dict.fromkeys(("pipe.wav", "nowhere.wav", "device.wav", "self.wav", "folder.wav"), "not_regular"),
        "old.wma": "unsupported",
    }


def test_every_kind_that_can_be_read_is_listed(tmp_path: Path) -> None:
    kinds = [
        "aac",
        "aif",
        "aifc",
        "aiff",
        "au",
        "caf",
        "flac",
        "m4a",
        "mp3",
        "mp4",
        "oga",
        "ogg",
        "opus",
        "w64",
        "wav",
    ]
    for kind in kinds:
        (tmp_path / f"a.{kind.upper()}").touch()
    assert names(tmp_path) == [f"a.{kind.upper()}" for kind in kinds]


def test_links_in_a_circle_end_and_a_file_with_two_names_counts_once(tmp_path: Path) -> None:
    write_sound(tmp_path / "b" / "song.wav")
    (tmp_path / "b" / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "a_link").symlink_to(tmp_path / "b", target_is_directory=True)
    (tmp_path / "a_link.wav").symlink_to(tmp_path / "b" / "song.wav")
    os.link(tmp_path / "b" / "song.wav", tmp_path / "c.wav")
    elsewhere = tmp_path.parent / f"{tmp_path.name}-elsewhere"
    write_sound(elsewhere / "far.wav")
    (tmp_path / "z").symlink_to(elsewhere, target_is_directory=True)
    assert names(tmp_path) == ["b/song.wav", "z/far.wav"], "its own name goes before a link's"


def test_the_order_of_a_listing_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("x/1.wav", "y/2.wav", "3.wav"):
        write_sound(tmp_path / name)
    (tmp_path / "w").symlink_to(tmp_path / "y", target_is_directory=True)
    straight = scan(tmp_path)
    listed = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: list(listed(path))[::-1])
    assert scan(tmp_path) == straight


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_any_name_comes_through(tmp_path: Path, name: str) -> None:
    write_sound(tmp_path / "music" / name)
    (record,) = prepare(tmp_path / "music", tmp_path / "set", steps=None)[:1]
    assert record.source == told(name)
    assert (tmp_path / "set" / record.file_path).is_file()
    (line,) = (tmp_path / "set/audio/raw/files.jsonl").read_text().splitlines()
    assert json.loads(line)["file"] == name, "the list keeps the name byte for byte"


def test_same_stem_and_case_only_names_do_not_meet(tmp_path: Path) -> None:
    music = tmp_path / "music"
    for number, name in enumerate(("a.wav", "a.flac", "A.wav", "sub/a.wav", "sub/a.mp3")):
        write_sound(music / name, 1.0, 200.0 + 50 * number)
    records = prepare(music, tmp_path / "set")
    assert len({record.file_path for record in records}) == 5
