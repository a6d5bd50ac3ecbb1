"""Change a score and leave the original alone: pitch, instruments, tempo, time span."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np
from symusic.core import TempoTick as Tempo
from symusic.core import TimeSignatureTick as TimeSignature

from disco.midi.score import Score, ticks_at

Event = TypeVar("Event", Tempo, TimeSignature)


def transpose(score: Score, semitones: int) -> Score:
    """Move every note but the drums.

    Raises:
        ValueError: a note would leave the MIDI range 0 to 127.
    """
    moved = score.copy()
    for track in moved.tracks:
        if track.is_drum or not track.notes:
            continue
        pitches = track.notes.numpy()["pitch"].astype(np.int64) + semitones
        if pitches.min() < 0 or pitches.max() > 127:
            raise ValueError(
                f"transposing by {semitones} leaves the MIDI range: {pitches.min()}..{pitches.max()}"
            )
        track.shift_pitch(semitones, inplace=True)
    return moved


def set_programs(score: Score, programs: Sequence[int]) -> Score:
    """Give the k-th melodic track the k-th General MIDI program; the last serves the rest.

    Raises:
        ValueError: no program, or one outside 0 to 127.
    """
    if not programs or not all(0 <= program <= 127 for program in programs):
        raise ValueError(f"programs must be one or more numbers 0 to 127, got {list(programs)}")
    changed = score.copy()
    melodic = [track for track in changed.tracks if not track.is_drum]
    for index, track in enumerate(melodic):
        track.program = programs[min(index, len(programs) - 1)]
    return changed


def set_tempo(score: Score, tempo_bpm: float) -> Score:
    """Play the whole score at one tempo in quarter notes per minute, without its tempo changes."""
    if tempo_bpm <= 0:
        raise ValueError(f"tempo must be positive, got {tempo_bpm}")
    changed = score.copy()
    changed.tempos = type(changed.tempos)()
    changed.tempos.append(Tempo(0, qpm=tempo_bpm))
    return changed


def complete_pickup(score: Score, metre: tuple[int, int], pickup: float) -> Score:
    """Let a score that begins with a pickup begin with a whole bar of `metre`, its pickup at that bar's end.

    Args:
        score: its first bar lasts `pickup`, as a metre of its own.
        metre: of the first whole bar, numerator and denominator.
        pickup: quarter notes before the first bar line; 0 changes nothing.
    """
    bar = 4.0 * metre[0] / metre[1]
    rest = round((bar - pickup % bar) % bar * score.ticks_per_quarter)
    moved = score.copy()
    for track in moved.tracks:
        for note in track.notes:
            note.time += rest
    for event in (*moved.tempos, *moved.time_signatures):
        event.time += rest if event.time else 0
    first = round((pickup % bar) * score.ticks_per_quarter) + rest
    kept = [TimeSignature(0, *metre), *(m for m in moved.time_signatures if m.time > first)]
    moved.time_signatures = type(moved.time_signatures)(kept)
    return moved


def crop(score: Score, start: float, end: float) -> Score:
    """Keep the notes that begin in [start, end) seconds; `start` becomes 0, notes end at `end`.

    The tempo and metre in force at `start` move to 0.
    """
    if not 0 <= start < end:
        raise ValueError(f"crop needs 0 <= start < end, got {start} and {end}")
    first, last = (int(tick) for tick in ticks_at(score, np.array([start, end])))
    kept = score.clip(first, last, clip_end=False)
    kept.tempos = type(kept.tempos)()
    kept.time_signatures = type(kept.time_signatures)()
    for tempo in _in_force(score.tempos, first, last):
        kept.tempos.append(Tempo(max(tempo.time, first), qpm=tempo.qpm))
    for metre in _in_force(score.time_signatures, first, last):
        kept.time_signatures.append(TimeSignature(max(metre.time, first), metre.numerator, metre.denominator))
    kept = kept.shift_time(-first)
    for track in kept.tracks:
        for note in track.notes:
            note.duration = min(note.duration, last - first - note.time)
    return kept


def _in_force(events: Iterable[Event], first: int, last: int) -> list[Event]:
    """The last event up to `first` and those in (first, last)."""
    ordered = sorted(events, key=lambda event: event.time)
    before = [event for event in ordered if event.time <= first][-1:]
    return before + [event for event in ordered if first < event.time < last]
