"""Examining a folder says what is wrong with it, in words, in JSON and on a page, and changes nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hydra.core.global_hydra import GlobalHydra

from disco.apps.launch import launch
from disco.apps.plain_words import with_keys
from disco.core.record import Record, write_manifest
from tests.data.folder import record, write

GENRES = ("reel", "jig", "air")


def pieces(count: int = 12) -> list[Record]:
    sides = ["train"] * (count - 4) + ["val", "val", "test", "test"]
    return [
        record(
            f"p{n}",
            2.0 + n / 10,
            split=sides[n],
            genre=[GENRES[n % 3]],
            artist=f"Fiddler {n}",
            title=f"Tune <{n}>",
            caption=f"A {GENRES[n % 3]}.",
            tempo=100.0 + n,
            features={"loudness_lufs": -20.0 - n},
            provenance={"tempo": "analysis:features", "caption": "human"},
        )
        for n in range(count)
    ]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "my music", pieces())
    return tmp_path / "my music"


@pytest.fixture
def ran(tmp_path: Path, monkeypatch, capsys) -> Iterator:
    """Run the program as its script does; give its exit code, what it said, and its JSON file."""

    def run(*words: str) -> tuple[int, str, dict]:
        argv = with_keys([*words, f"hydra.run.dir='{tmp_path / 'out'}'"], first="root")
        monkeypatch.setattr(sys, "argv", ["examine.py", *argv])
        code = 0
        try:
            launch("examine")
        except SystemExit as stop:
            code = int(str(stop.code))
        out = tmp_path / "out" / "examine.json"
        told = capsys.readouterr()
        return code, told.out + told.err, json.loads(out.read_text()) if out.is_file() else {}

    yield run
    GlobalHydra.instance().clear()


def answers(found: dict) -> dict[str, bool | None]:
    return {check["name"]: check["passed"] for check in found["checks"]}


def test_a_sound_folder_passes_and_its_page_is_whole(root: Path, ran, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    code, told, found = ran(str(root), "clips=2")
    assert code == 0, told
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    passed = answers(found)
    assert [passed[name] for name in ("manifest", "files", "leaks", "captions")] == [True] * 4
    assert passed["enough"] is False
    for words in (
        "training from scratch (50 h)",
        "fine-tuning (1 h)",
        "adapters (30 min)",
        "regime=finetune",
    ):
        assert words in told
    assert found["fields"]["genre"]["effective_number"] == pytest.approx(3.0, abs=0.01)
    assert found["coverage"]["tempo"] == {"share": 1.0, "by": {"analysis:features": 12}}
    page = (tmp_path / "out" / "examine.html").read_text()
    assert page.count("<audio") == 2
    assert "Tune &lt;0&gt;" in page
    assert "Hours by genre" in page
    assert "Loudness" in page
    assert "http" not in page.replace("http-equiv", "")


def test_a_leak_made_by_hand_is_listed_and_strict_ends_with_1(root: Path, ran) -> None:
    records = pieces()
    records[-1] = replace(records[-1], artist="fiddler 0, the")
    write_manifest(root / "metadata" / "manifest.jsonl", records)
    assert ran(str(root), "clips=0")[0] == 0
    code, told, found = ran(str(root), "clips=0", "--strict")
    assert code == 1
    assert found["leaks"] == [
        {"kind": "artist", "name": "fiddler 0", "sides": {"test": ["p11"], "train": ["p0"]}}
    ]
    assert "artist 'fiddler 0' in test: p11; train: p0" in told


def test_broken_lines_and_files_are_named(root: Path, ran) -> None:
    manifest = root / "metadata" / "manifest.jsonl"
    manifest.write_text(manifest.read_text() + "{oops\n")
    (root / "audio" / "processed" / "p3.wav").unlink()
    sound = root / "audio" / "processed" / "p4.wav"
    sound.write_bytes(b"no sound")
    report = {
        "file": "x.mp3",
        "code": "silent",
        "reason": "it is silent",
        "cure": "leave it out",
        "verdict": "refuse",
    }
    (root / "metadata" / "report.jsonl").write_text(json.dumps(report) + "\n")
    _, told, found = ran(str(root), "clips=12")
    assert [fault["line"] for fault in found["faults"]] == [13]
    assert set(found["damaged"]) == {"audio/processed/p3.wav", "audio/processed/p4.wav"}
    assert found["report"] == [report]
    for words in (
        "line 13: it is not JSON",
        "p3.wav: it is not there",
        "x.mp3: it is silent (silent); leave it out",
    ):
        assert words in told
    assert answers(found)["refused"] is None
    assert answers(ran(str(root), "clips=0", "verify=false")[2])["files"] is None


def test_a_changed_byte_is_found_by_the_journal(root: Path, ran) -> None:
    from disco.prepare.journal import encode
    from disco.prepare.keep import checksum

    names = [one.file_path for one in pieces()]
    line = {"name": "x", "files": {name: checksum(root / name) for name in names}}
    (root / "metadata" / "journal.jsonl").write_bytes(encode(line))
    assert answers(ran(str(root), "clips=0")[2])["files"] is True
    sound = root / names[5]
    data = bytearray(sound.read_bytes())
    data[-1] ^= 1
    sound.write_bytes(data)
    (told,) = ran(str(root), "clips=0")[2]["damaged"].items()
    assert told == (names[5], "its bytes are not those that were made from 'x'")


def test_slips_are_answered(root: Path, ran, tmp_path: Path) -> None:
    assert "there is no manifest at" in ran(str(tmp_path / "nowhere"))[1]
    code, told, _ = ran(str(root), "regime=all")
    assert code == 2
    assert "choose from full, finetune, peft" in told
    assert ran("clips=2")[:2] == (
        2,
        "error: there is no folder to look into; name one: python scripts/examine.py data/mine\n",
    )
    assert "clips=-1: this is not a whole number, 0 or more" in ran(str(root), "clips=-1")[1]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["data/mine"], ["root='data/mine'"]),
        (["it's, [mine]", "--strict"], ["root='it\\'s, [mine]'", "strict=true"]),
        (["strict=true", "root=a"], ["strict=true", "root=a"]),
        (["--cfg", "job", "a"], ["--cfg", "job", "root='a'"]),
        (["a", "b"], ["root='a'", "b"]),
    ],
)
def test_a_folder_may_stand_alone(typed: list[str], meant: list[str]) -> None:
    assert with_keys(typed, first="root") == meant


def test_a_training_that_reads_captions_refuses_pieces_without(root: Path) -> None:
    from disco.apps.coverage import check_coverage
    from disco.conditioners.text import Text
    from disco.core.views import AudioView
    from disco.errors import DiscoError
    from tests.data.folder import serving

    class Reader:
        width = 4

        def read(self, caption: str) -> torch.Tensor:
            return torch.zeros(1, 4)

    told = torch.nn.ModuleDict({"text": Text(width=4, encoder=Reader())})
    data = serving(root, AudioView(rate=8000, channels=1, seconds=1.0))
    check_coverage(told, data)  # type: ignore[arg-type]
    records = [replace(one, caption=" " if n < 7 else one.caption) for n, one in enumerate(pieces())]
    write_manifest(root / "metadata" / "manifest.jsonl", records)
    with pytest.raises(DiscoError, match="7 of 8 training pieces have no caption: audio/") as error:
        check_coverage(told, data)  # type: ignore[arg-type]
    assert "and 2 more" in str(error.value)
    assert "data.allow_missing=[caption]" in str(error.value)
    data.allow_missing = ("caption",)
    check_coverage(told, data)  # type: ignore[arg-type]
    data.allow_missing = ()
    check_coverage(torch.nn.ModuleDict(), data)  # type: ignore[arg-type]  nobody reads it


def test_the_page_tells_files_left_out_from_those_that_are_kept(root: Path, ran, tmp_path: Path) -> None:
    rows = [
        {"file": "a.ogg", "code": "silent", "reason": "nothing to hear", "cure": "drop", "verdict": "refuse"},
        {"file": "b.ogg", "code": "hum", "reason": "it hums", "cure": "filter", "verdict": "warn"},
        {"file": "c.ogg", "code": "shared_sides", "reason": "album on one side of the split", "cure": "more",
         "verdict": "warn"},
    ]  # fmt: skip
    (root / "metadata" / "report.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ran(str(root), "clips=0")
    page = (tmp_path / "out" / "examine.html").read_text()
    out, kept = page.split("<h3>Kept with a warning</h3>")
    out = out.split("<h3>Left out</h3>")[1]
    assert all(word in out for word in ("a.ogg", "silent", "nothing to hear", "drop"))
    assert "b.ogg" not in out
    assert all(word in kept for word in ("b.ogg", "hum", "it hums", "filter"))
    assert "c.ogg" not in page, "what is told of the split stands with the leaks"
    assert "python train.py data=audio 'data.root=" in page.replace("&#39;", "'"), "its name has a space"
    assert "allow_missing" not in page


def test_what_the_pieces_say_of_themselves_is_told_before_training(root: Path) -> None:
    from disco.apps.coverage import check_coverage
    from disco.core.views import AudioView
    from tests.data.folder import serving

    by_tag = {"tempo": "tag", "caption": "human"}
    records = [
        replace(one, caption=one.caption if n < 2 else None, provenance=by_tag if n < 3 else one.provenance)
        for n, one in enumerate(pieces())
    ]
    write_manifest(root / "metadata" / "manifest.jsonl", records)
    data = serving(root, AudioView(rate=8000, channels=1, seconds=1.0))
    head, *lines, last = check_coverage(torch.nn.ModuleDict(), data).splitlines()  # type: ignore[arg-type]
    assert head.startswith("training on 8 pieces, 19 s: too little for "), "not those of val and test"
    assert all(floor in head for floor in ("scratch (50 h)", "fine-tuning (1 h)", "adapters (30 min)"))
    told = {line.split()[0]: " ".join(line.split()[1:]) for line in lines}
    assert told["caption"] == "25% human"
    assert told["tempo"] == "100% analysis:features 5, tag 3"
    assert told["genre"] == "100% not said by whom"
    assert set(told) == {"caption", "genre", "tempo", "artist", "title"}
    assert last.split() == [
        "not",
        "known",
        "instruments,",
        "mood,",
        "key,",
        "metre,",
        "album,",
        "year,",
        "licence",
    ]
    (root / "metadata" / "manifest.jsonl").unlink()
    assert check_coverage(torch.nn.ModuleDict(), data) == "", "data that is still to be made"  # type: ignore[arg-type]


def test_a_split_that_misses_its_shares_is_told_with_the_reason(root: Path, ran) -> None:
    """One artist with nearly everything: nothing leaks, and how far the split is off is said."""
    few = [
        replace(one, artist="The One" if one.split == "train" else one.artist, split=one.split)
        for one in pieces()
    ]
    sides = ["train"] * 10 + ["val", "test"]
    write_manifest(
        root / "metadata" / "manifest.jsonl",
        [replace(one, split=side, duration=1.9) for one, side in zip(few, sides, strict=True)],
    )
    _, told, found = ran(str(root), "clips=0")
    assert answers(found)["shares"] is None
    assert "train 83.3 %" in told
    assert "points from 80/10/10" in told
    write_manifest(
        root / "metadata" / "manifest.jsonl",
        [replace(one, split="train", artist="The One", group=None) for one in pieces()],
    )
    _, told, found = ran(str(root), "clips=0")
    assert answers(found)["shares"] is False
    assert "val and test are empty" in told


def test_ties_that_could_not_be_kept_are_no_fault_and_others_still_are(root: Path, ran) -> None:
    """What the preparation has told is not answered with the advice to prepare again."""
    records = [replace(one, album="One Album") for one in pieces()]
    write_manifest(root / "metadata" / "manifest.jsonl", records)
    row = {
        "file": "a.ogg",
        "code": "shared_sides",
        "reason": "nothing could be held out with every folder and album on one side of the split, so they "
        "are on several",
        "cure": "add music of others",
        "verdict": "warn",
    }
    (root / "metadata" / "report.jsonl").write_text(json.dumps(row) + "\n")
    _, told, found = ran(str(root), "clips=0")
    assert answers(found)["leaks"] is None
    assert "recordings of one album are on several sides" in told
    assert answers(found)["refused"] is True, "it is no file's fault"
    write_manifest(root / "metadata" / "manifest.jsonl", [replace(one, artist="Ann") for one in records])
    assert answers(ran(str(root), "clips=0")[2])["leaks"] is False


def test_what_was_left_out_is_named_before_what_was_kept(root: Path, ran) -> None:
    rows = [
        {"file": f"{n}.mp3", "code": "x", "reason": "y", "cure": "z", "verdict": ("warn", "refuse")[n % 2]}
        for n in range(4)
    ]
    (root / "metadata" / "report.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (check,) = (one for one in ran(str(root), "clips=0")[2]["checks"] if one["name"] == "refused")
    assert [line[0] for line in check["examples"]] == ["1", "3", "0", "2"]
    assert check["told"] == "2 files left out, 2 warnings"
