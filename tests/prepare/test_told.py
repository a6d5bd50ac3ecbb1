"""What is said of files is said once, and what people and extras can change is heard the next time."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from disco.core.stage import Notes, Problem, Stage
from disco.errors import DiscoError
from disco.executors.serial import Serial
from tests.prepare.tiny import prepare, songs, stages


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
