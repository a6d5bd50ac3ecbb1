"""A journal counts what is surely on the disk, and loses no more than the line that was torn."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from disco.prepare.journal import Journal, decode, encode

LINES = [{"name": f"song {number} \udcff.wav", "seconds": 0.1 * number, "files": {}} for number in range(4)]


def written(path: Path) -> bytes:
    journal = Journal(path, [])
    for line in LINES:
        journal.add(dict(line))
    journal.flush()
    return path.read_bytes()


def test_a_line_comes_back_and_any_flipped_bit_is_seen() -> None:
    data = encode(LINES[1])
    assert decode(data[:-1]) == LINES[1]
    for place in range(len(data) - 1):
        for bit in (1, 16):
            flipped = bytearray(data[:-1])
            flipped[place] ^= bit
            assert decode(bytes(flipped)) is None


def test_a_torn_end_is_cut_off_wherever_it_was_torn(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    whole = written(path)
    ends = [place + 1 for place, byte in enumerate(whole) if byte == ord("\n")]
    for length in range(0, len(whole) + 1, 7):
        path.write_bytes(whole[:length])
        kept = max((end for end in ends if end <= length), default=0)
        assert len(Journal(path, []).lines) == sum(end <= length for end in ends)
        assert path.read_bytes() == whole[:kept]


def test_what_a_line_speaks_of_is_on_the_disk_before_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.jsonl"
    (tmp_path / "sounds").mkdir()
    journal = Journal(path, [tmp_path / "sounds"])
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "fsync", lambda handle: seen.append((os.fstat(handle).st_ino, path.exists())))
    journal.add(dict(LINES[0]))
    assert not path.exists(), "lines wait for a batch"
    journal.flush()
    assert seen[0] == ((tmp_path / "sounds").stat().st_ino, False)
    assert seen[1][0] == path.stat().st_ino


def test_the_newest_line_of_a_name_counts_and_keeping_drops_the_others(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    written(path)
    journal = Journal(path, [])
    journal.add({**LINES[2], "seconds": 9.0})
    journal.flush()
    again = Journal(path, [])
    assert again.lines[LINES[2]["name"]]["seconds"] == 9.0
    names = [LINES[2]["name"], LINES[0]["name"]]
    assert again.keep(names)
    assert not again.keep(names), "nothing new, nothing written"
    assert list(Journal(path, []).lines) == names
