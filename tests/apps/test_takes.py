"""A folder of takes is whole when its manifest is there, and comes back as it was told."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from disco.apps import takes as module
from disco.apps.row_cache import decode, encode, take_key
from disco.apps.takes import list_pieces, read_takes, write_takes
from disco.audio.clip import Clip
from disco.core.metric import Asked
from disco.corpus.tunes import load_tunes, tune_score
from disco.midi.score import Score, note_table, write_score


def tone(hz: float) -> Clip:
    return Clip(0.5 * torch.sin(torch.arange(8000) * 2 * torch.pi * hz / 16000)[None], 16000)


def written(folder: Path, *pieces: Clip, **options) -> None:
    count = len(pieces)
    write_takes(folder, pieces, name="made", captions=["x"] * count, tempos=[90.0] * count, **options)


def test_what_was_asked_comes_back(tmp_path: Path) -> None:
    asked = [Asked(key="Dmaj", instruments=("violin",), moods=("calm",))]
    notes = note_table(tune_score(load_tunes()[0].id))
    written(tmp_path, tone(440), asked=asked, notes=[notes], seconds=0.5)
    (take,) = read_takes(tmp_path, seconds=0.5)
    assert (take.name, take.seconds, take.tempo_bpm) == ("made-000", 0.5, 90.0)
    assert (take.asked.key, take.asked.instruments, take.asked.moods) == ("Dmaj", ("violin",), ("calm",))
    assert take.notes is not None
    assert take.notes.onset == pytest.approx(notes.onset, abs=2e-3)


def test_a_folder_that_was_being_written_has_no_manifest(tmp_path: Path, monkeypatch) -> None:
    written(tmp_path, tone(440), tone(550))
    killed = iter([module.write_clip])

    def once(*arguments, **options):
        write = next(killed, None)
        if write is None:
            raise KeyboardInterrupt
        return write(*arguments, **options)

    monkeypatch.setattr(module, "write_clip", once)
    with pytest.raises(KeyboardInterrupt):
        written(tmp_path, tone(330), tone(220))
    assert not (tmp_path / "manifest.jsonl").exists()
    assert not list(tmp_path.glob(".*")), "no half file is left"


def test_a_score_without_notes_is_silence(tmp_path: Path) -> None:
    write_takes(tmp_path, [Score(480)], name="made", captions=[None], tempos=[None], seconds=2.0)
    (take,) = read_takes(tmp_path)
    assert take.sound.seconds == 2.0
    assert take.sound.wave.abs().max() == 0.0


def test_scores_are_played_where_there_is_no_sound(tmp_path: Path) -> None:
    write_score(tmp_path / "deep" / "tune.mid", tune_score(load_tunes()[0].id))
    (piece,) = list_pieces(tmp_path, seconds=4.0)
    assert piece.name == "deep/tune"
    take = piece.load()
    assert take.sound.seconds == 4.0
    assert take.notes is not None


def test_the_key_of_a_take_changes_with_whatever_a_judge_gets_and_not_with_its_name(tmp_path: Path) -> None:
    changes = [{}, {"seconds": 0.5}, {"asked": [Asked(key="Gmaj")]}]
    keys = []
    for index, change in enumerate(changes):
        written(tmp_path / str(index), tone(440), **change)
        keys.append(take_key(list_pieces(tmp_path / str(index), seconds=change.get("seconds"))[0].load()))
    written(tmp_path / "same", tone(440), tone(440))
    same = {take_key(take) for take in read_takes(tmp_path / "same")}
    assert len(set(keys)) == 3
    assert same == {keys[0]}


def test_rows_come_back_from_the_cache_as_they_were() -> None:
    notes = note_table(tune_score(load_tunes()[0].id))
    row = ("made", {"a": 0.1, "b": None, "c": float("inf")}, [1, True], notes)
    kind, values, some, back = decode(encode(row))
    assert (kind, values, some) == row[:3]
    assert (back.onset == notes.onset).all()
    assert back.pitch.dtype == notes.pitch.dtype
    with pytest.raises(TypeError, match="may not hold"):
        encode(object())
    with pytest.raises(ValueError, match="no row of a metric"):
        decode({"class": "disco.drafts:drafted", "values": {}})
