"""Scores from MIDI files and into them, and their notes as arrays in seconds."""

from dataclasses import dataclass, fields
from os import PathLike
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int
from symusic.core import NoteTick as Note
from symusic.core import ScoreTick as Score
from symusic.core import TempoTick as Tempo
from symusic.core import TrackTick as Track

from disco.drafts import drafted
from disco.errors import DiscoError

TICKS_PER_QUARTER = 480
DEFAULT_TEMPO_BPM = 120.0  # what a MIDI file without a tempo means


@dataclass(frozen=True, eq=False)
class NoteTable:
    """The notes of a score or of a transcription, one row per note, by onset and then pitch.

    Onsets and offsets are in seconds, pitches MIDI numbers (60 is middle C), velocities 1 to 127,
    programs General MIDI numbers from 0; a program means nothing where `is_drum` holds.
    """

    onset: Float[np.ndarray, " n"]
    offset: Float[np.ndarray, " n"]
    pitch: Int[np.ndarray, " n"]
    velocity: Int[np.ndarray, " n"]
    program: Int[np.ndarray, " n"]
    is_drum: Bool[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.onset)

    def where(self, keep: Bool[np.ndarray, " n"]) -> "NoteTable":
        """Keep the rows where the mask is true: `table.where(~table.is_drum)`."""
        return NoteTable(*(getattr(self, field.name)[keep] for field in fields(self)))


def read_score(path: str | PathLike[str]) -> Score:
    """Read a Standard MIDI file.

    Raises:
        DiscoError: no regular file, empty, not MIDI, or a score without notes.
    """
    path = Path(path)
    if not path.is_file():
        raise DiscoError(f"{path} is not a MIDI file that exists", do="check the path")
    return score_from_bytes(path.read_bytes(), name=str(path))


def score_from_bytes(midi: bytes, *, name: str = "the MIDI data") -> Score:
    """Parse the bytes of a Standard MIDI file; `name` stands in the error.

    Raises:
        DiscoError: not MIDI, or a score without notes.
    """
    if not midi.startswith((b"MThd", b"RIFF")):
        raise DiscoError(f"{name} is not MIDI (no MThd header)", do="export it as a Standard MIDI file")
    try:
        score = Score.from_midi(midi)
    except (RuntimeError, ValueError) as error:
        raise DiscoError(f"{name} is damaged: {error}", do="export it as MIDI again") from error
    if score.note_num() == 0:
        raise DiscoError(f"{name} holds no notes", do="leave the file out")
    return score


def write_score(path: str | PathLike[str], score: Score) -> None:
    """Write a Standard MIDI file, whole or not at all; folders on the way are made."""
    with drafted(Path(path)) as draft:
        draft.write_bytes(score.dumps_midi())


def seconds_at(score: Score, ticks: np.ndarray) -> Float[np.ndarray, " n"]:
    """Turn ticks into seconds through the tempo changes, in double precision."""
    at, pace = _tempo_map(score)
    starts = np.concatenate([[0.0], np.cumsum(np.diff(at) * pace[:-1])])
    segment = np.searchsorted(at, ticks, side="right") - 1
    return starts[segment] + (np.asarray(ticks) - at[segment]) * pace[segment]


def ticks_at(score: Score, seconds: np.ndarray) -> Int[np.ndarray, " n"]:
    """Turn seconds into the nearest ticks; the inverse of `seconds_at`."""
    at, pace = _tempo_map(score)
    starts = np.concatenate([[0.0], np.cumsum(np.diff(at) * pace[:-1])])
    segment = np.maximum(np.searchsorted(starts, seconds, side="right") - 1, 0)
    ticks = at[segment] + (np.asarray(seconds) - starts[segment]) / pace[segment]
    return np.rint(ticks).astype(np.int64)


def note_table(score: Score) -> NoteTable:
    """List every note with its time in seconds."""
    columns: list[list[np.ndarray]] = [[], [], [], [], [], []]
    for track in score.tracks:
        notes = track.notes.numpy()
        start = notes["time"].astype(np.int64)
        end = start + notes["duration"]
        count = len(start)
        row = (
            seconds_at(score, start),
            seconds_at(score, end),
            notes["pitch"].astype(np.int64),
            notes["velocity"].astype(np.int64),
            np.full(count, track.program, dtype=np.int64),
            np.full(count, track.is_drum, dtype=bool),
        )
        for column, values in zip(columns, row, strict=True):
            column.append(values)
    kinds = (np.float64, np.float64, np.int64, np.int64, np.int64, np.bool_)
    joined = [
        np.concatenate(column) if column else np.zeros(0, dtype=kind)
        for column, kind in zip(columns, kinds, strict=True)
    ]
    order = np.lexsort((joined[2], joined[0]))
    return NoteTable(*(column[order] for column in joined))


def score_from_notes(table: NoteTable, *, tempo_bpm: float = DEFAULT_TEMPO_BPM) -> Score:
    """Write a note table down as a score of one tempo, one track per program."""
    score = Score(TICKS_PER_QUARTER)
    score.tempos.append(Tempo(0, qpm=tempo_bpm))
    ticks_per_second = TICKS_PER_QUARTER * tempo_bpm / 60.0
    start = np.rint(table.onset * ticks_per_second).astype(np.int64)
    end = np.maximum(np.rint(table.offset * ticks_per_second).astype(np.int64), start + 1)
    voices = sorted(set(zip(table.is_drum.tolist(), table.program.tolist(), strict=True)))
    for is_drum, program in voices:
        track = Track("", program, is_drum)
        for row in np.flatnonzero((table.is_drum == is_drum) & (table.program == program)):
            length = int(end[row] - start[row])
            track.notes.append(Note(int(start[row]), length, int(table.pitch[row]), int(table.velocity[row])))
        score.tracks.append(track)
    return score


def _tempo_map(score: Score) -> tuple[np.ndarray, np.ndarray]:
    """Ticks of the tempo changes, the first at 0, and the seconds per tick from each on."""
    changes = {0: DEFAULT_TEMPO_BPM}
    changes |= {int(tempo.time): float(tempo.qpm) for tempo in sorted(score.tempos, key=lambda t: t.time)}
    at = np.array(sorted(changes), dtype=np.float64)
    pace = np.array([60.0 / (changes[int(tick)] * score.ticks_per_quarter) for tick in at])
    return at, pace
