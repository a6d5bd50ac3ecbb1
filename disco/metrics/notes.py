"""What the notes are like: how many, how far apart in pitch, how well on the beat."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int

from disco.core.metric import Metric, Take
from disco.core.ranges import NaturalInt, PositiveFloat, PositiveInt
from disco.midi.score import NoteTable

CHORD_SPREAD = 0.03  # seconds within which onsets count as one: a chord, not a figure


@dataclass(frozen=True)
class Counts:
    """What one take adds to each share: how many there were, and how many fell in."""

    notes: int
    seconds: float
    intervals: int
    interval_semitones: int
    steps: int
    gaps: int
    gaps_on_grid: int


class Notes(Metric):
    """Note density, stepwise melody, and rhythm against the sixteenth grid, pooled over all takes.

    Drums are left out. Notes come from the score where there is one, else from a transcription.

    * `notes_per_second`: notes over seconds of the takes.
    * `interval`: mean absolute difference in semitones between successive notes of the melody, which
      is the highest note of each onset (onsets within 30 ms of the first are one).
    * `steps`: share of these differences up to `step_semitones`, repeated notes included.
    * `on_grid`: share of the times between successive onsets that lie within `tolerance` of a whole
      number (1, 2, …) of grid steps. Takes without a tempo are left out. Irregular onsets give
      `chance_on_grid`, not 0. A transcription blurs onsets by about 12 ms.

    Args:
        step_semitones: the widest melodic step.
        tolerance: seconds beside the grid that still count as on it.
        divisions: grid steps per quarter note; 4 is sixteenths.
    """

    needs = frozenset({"made"})
    higher_is_better: ClassVar[Mapping[str, bool | None]] = {
        "notes_per_second": None,
        "interval": None,
        "steps": None,
        "on_grid": True,
    }

    def __init__(
        self, *, step_semitones: NaturalInt, tolerance: PositiveFloat, divisions: PositiveInt
    ) -> None:
        super().__init__()
        self.step_semitones = step_semitones
        self.tolerance = tolerance
        self.divisions = divisions

    def measure(self, made: Take, reference: Take | None) -> Counts:
        """Count notes, melodic intervals and onset gaps of one take."""
        notes = made.written
        notes = notes.where(~notes.is_drum)
        onsets, pitches = melody(notes)
        jumps = np.abs(np.diff(pitches))
        gaps = np.diff(onsets) if made.tempo_bpm is not None else np.zeros(0)
        grid = 60.0 / (made.tempo_bpm or 120.0) / self.divisions
        return Counts(
            notes=len(notes),
            seconds=made.length,
            intervals=len(jumps),
            interval_semitones=int(jumps.sum()),
            steps=int((jumps <= self.step_semitones).sum()),
            gaps=len(gaps),
            gaps_on_grid=int(on_grid(gaps, grid, self.tolerance).sum()),
        )

    def summarise(self, rows: Sequence[Counts]) -> dict[str, float]:
        """Divide the pooled counts."""
        intervals = sum(row.intervals for row in rows)
        return {
            "notes_per_second": _ratio(
                sum(row.notes for row in rows), math.fsum(row.seconds for row in rows)
            ),
            "interval": _ratio(sum(row.interval_semitones for row in rows), intervals),
            "steps": _ratio(sum(row.steps for row in rows), intervals),
            "on_grid": _ratio(sum(row.gaps_on_grid for row in rows), sum(row.gaps for row in rows)),
        }


def melody(notes: NoteTable) -> tuple[Float[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Return onsets [s] and pitches of the top line: the highest note of each onset."""
    onsets: list[float] = []
    pitches: list[int] = []
    for index in np.argsort(notes.onset, kind="stable"):
        onset, pitch = float(notes.onset[index]), int(notes.pitch[index])
        if onsets and onset - onsets[-1] <= CHORD_SPREAD:
            pitches[-1] = max(pitches[-1], pitch)
        else:
            onsets.append(onset)
            pitches.append(pitch)
    return np.array(onsets, dtype=np.float64), np.array(pitches, dtype=np.int64)


def on_grid(gaps: Float[np.ndarray, " n"], grid: float, tolerance: float) -> np.ndarray:
    """Mark the gaps that lie within `tolerance` of 1, 2, … times `grid`; all in seconds."""
    steps = np.maximum(1.0, np.rint(gaps / grid))
    return np.abs(gaps - steps * grid) <= tolerance + 1e-9  # a hair, so that the bound itself counts


def chance_on_grid(tempo_bpm: float, *, tolerance: float, divisions: int) -> float:
    """Return the share that gaps without any pulse reach: equally likely anywhere between grid steps.

    Two tolerances out of every step: 0.32 for sixteenths at 120 bpm and 20 ms.
    """
    return min(1.0, 2.0 * tolerance * divisions * tempo_bpm / 60.0)


def _ratio(part: float | int, whole: float | int) -> float:
    return part / whole if whole else math.nan
