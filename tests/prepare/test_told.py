"""What is said of files is said once, and what people and extras can change is heard the next time."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from disco.core.stage import Notes, Problem, Stage
from disco.errors import DiscoError
from disco.executors.serial import Serial
from tests.prepare.tiny import prepare, songs, stages, write_sound


def codes(target: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (target / "metadata" / "report.jsonl").read_text().splitlines():
        row = json.loads(line)
        found.setdefault(row["file"], []).append(row["code"])
    return found


class TellsTwice(Stage):
    """Says of every file what another stage says too."""

    def conclude(self, notes: Notes) -> None:
        notes.problems.append(Problem("silent", "it warns", "listen to it", "warn"))
        notes.problems.append(Problem("silent", "it refuses", "leave it out", "refuse"))
        notes.problems.append(Problem("noise", "it hisses", "leave it out", "warn"))


def test_what_two_stages_tell_of_a_file_is_told_once(tmp_path: Path) -> None:
    source = songs(tmp_path / "music", 2)
    with pytest.raises(DiscoError, match="no file could be prepared"):
        prepare(source, tmp_path / "set", steps=stages(twice=TellsTwice()))
    assert codes(tmp_path / "set") == {name: ["silent", "noise"] for name in ("0.wav", "one/1.wav")}
    rows = (tmp_path / "set" / "metadata" / "report.jsonl").read_text()
    assert rows.count("it refuses") == 2, "rather the one that refuses"
    assert "it warns" not in rows


@pytest.mark.parametrize("before", [False, True], ids=["at once", "after another split"])
def test_an_official_split_is_kept(tmp_path: Path, *, before: bool) -> None:
    source, target = songs(tmp_path / "music", 12), tmp_path / "set"
    if before:
        prepare(source, target)
    wanted = {"0.wav": "test", "one/1.wav": "val", "two/2.wav": "test", "3.wav": "train"}
    for name, split in wanted.items():
        (source / name).with_suffix(".json").write_text(json.dumps({"split": split}))
    records = prepare(source, target)
    assert {r.source: r.split for r in records if r.source in wanted} == wanted
    assert {r.provenance.get("split") for r in records if r.source in wanted} == {"human"}
    assert {r.provenance.get("split") for r in records if r.source not in wanted} == {None}


def test_what_lacks_an_extra_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = songs(tmp_path / "music", 2), tmp_path / "set"
    (source / "song.m4a").write_bytes(b"\0\0\0\x20ftypM4A \0\0\0\0" + b"\0" * 100)
    monkeypatch.setitem(sys.modules, "av", None)
    prepare(source, target)
    assert codes(target) == {"song.m4a": ["missing_extra"]}
    seen: list[str] = []
    run = Serial().run
    executor = Serial()
    monkeypatch.setattr(
        executor, "run", lambda work, items: run(work, [seen.append(i.found.name) or i for i in items])
    )
    prepare(source, target, executor=executor)
    assert seen == ["song.m4a"]


def credit(source: Path, name: str, artist: str) -> None:
    (source / name).with_suffix(".json").write_text(json.dumps({"artist": artist}))


def test_a_file_that_belongs_to_two_sides_is_told_and_stands_on_none(tmp_path: Path) -> None:
    source, target = songs(tmp_path / "music", 12), tmp_path / "set"
    for number, path in enumerate(sorted(source.rglob("*.wav"))):
        credit(source, path.relative_to(source).as_posix(), f"Artist {number}")
    records = prepare(source, target)
    one = next(str(record.artist) for record in records if record.split == "train")
    other = next(str(record.artist) for record in records if record.split == "test")
    write_sound(source / "duo.wav", 0.8, 911.0)
    credit(source, "duo.wav", f"{one} & {other}")
    after = prepare(source, target)
    assert {record.split for record in after if record.source == "duo.wav"} == {None}
    assert codes(target) == {"duo.wav": ["two_sides"]}
    before = {record.id: record.split for record in records}
    assert {record.id: record.split for record in after if record.id in before} == before


def test_one_artist_alone_is_split_all_the_same_and_it_is_said_what_that_means(tmp_path: Path) -> None:
    source, target = songs(tmp_path / "music", 12), tmp_path / "set"
    for path in source.rglob("*.wav"):
        credit(source, path.relative_to(source).as_posix(), "Ann")
    assert {record.split for record in prepare(source, target)} == {"train", "val", "test"}
    assert list(codes(target).values()) == [["shared_sides"]]
    assert "measures on val and test flatter" in (target / "metadata" / "report.jsonl").read_text()
