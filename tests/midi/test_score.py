"""Scores keep their notes through files, seconds and changes."""

from pathlib import Path

import numpy as np
import pytest
from symusic import Note, Tempo, TimeSignature, Track

from disco.corpus.tunes import load_tunes, tune_score
from disco.errors import DiscoError
from disco.midi.score import (
    NoteTable,
    Score,
    note_table,
    read_score,
    score_from_notes,
    seconds_at,
    ticks_at,
    write_score,
)
from disco.midi.transform import crop, set_programs, set_tempo, transpose


def _chorale() -> Score:
    return tune_score(next(tune.id for tune in load_tunes() if tune.voices == 4))


def _with_drums() -> Score:
    score = _chorale()
    drums = Track("drums", 0, True)
    drums.notes.append(Note(0, 240, 38, 100))
    score.tracks.append(drums)
    score.tempos.append(Tempo(0, qpm=120))
    score.tempos.append(Tempo(960, qpm=60))
    return score


def _same(one: NoteTable, other: NoteTable) -> bool:
    return len(one) == len(other) and all(
        np.allclose(getattr(one, name), getattr(other, name), atol=2e-3)
        for name in ("onset", "offset", "pitch", "velocity", "is_drum")
    )


def test_a_score_survives_its_file(tmp_path: Path) -> None:
    score = _with_drums()
    write_score(tmp_path / "deep" / "score.mid", score)
    assert _same(note_table(read_score(tmp_path / "deep" / "score.mid")), note_table(score))


def test_seconds_follow_tempo_changes() -> None:
    score = _with_drums()
    assert seconds_at(score, np.array([0, 480, 960, 1440])).tolist() == [0.0, 0.5, 1.0, 2.0]
    ticks = np.arange(0, 5000, 7)
    assert (ticks_at(score, seconds_at(score, ticks)) == ticks).all()


def test_notes_as_a_table_and_back_are_the_same_notes() -> None:
    table = note_table(_with_drums())
    assert _same(note_table(score_from_notes(table, tempo_bpm=97.0)), table)


def test_transposing_up_then_down_returns_the_notes() -> None:
    score = _with_drums()
    up = transpose(score, 5)
    assert _same(note_table(transpose(up, -5)), note_table(score))
    moved, before = note_table(up), note_table(score)
    assert (
        np.sort(moved.where(~moved.is_drum).pitch) == np.sort(before.where(~before.is_drum).pitch + 5)
    ).all()
    assert (moved.where(moved.is_drum).pitch == 38).all()
    with pytest.raises(ValueError, match="MIDI range"):
        transpose(score, 100)


def test_half_the_tempo_doubles_every_time() -> None:
    fast, slow = (note_table(set_tempo(_with_drums(), bpm)) for bpm in (120.0, 60.0))
    assert np.allclose(slow.onset, 2 * fast.onset)


def test_programs_go_to_the_melodic_tracks_in_order() -> None:
    changed = set_programs(_with_drums(), [73, 68])
    assert [track.program for track in changed.tracks if not track.is_drum] == [73, 68, 68, 68]


def test_cropping_keeps_the_notes_that_begin_inside() -> None:
    score = _with_drums()
    whole, part = note_table(score), note_table(crop(score, 1.5, 6.0))
    inside = (whole.onset >= 1.5) & (whole.onset < 6.0)
    assert np.allclose(part.onset, whole.onset[inside] - 1.5)
    assert (part.pitch == whole.pitch[inside]).all()
    assert part.offset.max() <= 4.5 + 1e-6


def test_cropping_keeps_the_tempo_and_metre_in_force() -> None:
    score = _with_drums()
    score.time_signatures.append(TimeSignature(0, 3, 4))
    cropped = crop(score, 3.0, 6.0)
    assert [(tempo.time, round(tempo.qpm)) for tempo in cropped.tempos] == [(0, 60)]
    assert cropped.time_signatures[-1].time == 0


def test_what_is_not_midi_is_refused(tmp_path: Path) -> None:
    bad = tmp_path / "bad.mid"
    bad.write_bytes(b"RIFX nothing")
    with pytest.raises(DiscoError, match="not MIDI"):
        read_score(bad)
    bad.write_bytes(b"MThd\0\0")
    with pytest.raises(DiscoError, match="damaged"):
        read_score(bad)
    write_score(bad, Score(480))
    with pytest.raises(DiscoError, match="no notes"):
        read_score(bad)
    with pytest.raises(DiscoError, match="check the path"):
        read_score(tmp_path)
