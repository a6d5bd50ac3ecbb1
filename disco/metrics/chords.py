"""Which chords sound, and whether they are the reference's."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import mir_eval
import numpy as np
from jaxtyping import Float, Int

from disco.core.metric import Averaged, Take
from disco.core.ranges import PositiveFloat
from disco.metrics.tonality import TONICS
from disco.midi.score import NoteTable

LABELS = (*(f"{tonic}:maj" for tonic in TONICS), *(f"{tonic}:min" for tonic in TONICS), "N")


@dataclass(frozen=True, eq=False)
class Chords:
    """Chord labels in the syntax of Harte (2010), each with its start and end in seconds."""

    intervals: Float[np.ndarray, "n 2"]
    labels: tuple[str, ...]


class ChordAgreement(Averaged):
    """Weighted chord symbol recall against the reference's chords, mean over takes.

    Chords of both come from their notes: triad templates over windows of `step` seconds, smoothed by a
    hidden Markov model. WCSR is the share of the reference's time in which the labels agree, as
    `mir_eval.chord` compares them: `root` by root, `majmin` by major and minor triads. Where the reference
    has no chord, `majmin` wants none. `changes`: chord changes per minute. `fit`: mean share of the
    sounding notes that belong to the chord.

    Args:
        step: seconds per window.
        stay: how much likelier a chord stays than it changes to any other one.
    """

    needs = frozenset({"made", "reference"})
    higher_is_better: ClassVar[Mapping[str, bool | None]] = {
        "root": True,
        "majmin": True,
        "changes": None,
        "fit": None,
    }

    def __init__(self, *, step: PositiveFloat, stay: PositiveFloat) -> None:
        super().__init__()
        self.step = step
        self.stay = stay

    def measure(self, made: Take, reference: Take | None) -> dict[str, float]:
        """Find the chords of both and compare them."""
        assert reference is not None, "update gives one"
        seconds = max(reference.length, self.step)
        chords = find_chords(made.written, max(made.length, self.step), step=self.step, stay=self.stay)
        wanted = find_chords(reference.written, seconds, step=self.step, stay=self.stay)
        minutes = max(made.length, self.step) / 60.0
        return chord_recall(wanted, chords) | {
            "changes": (len(chords.labels) - 1) / minutes,
            "fit": chord_fit(made.written, chords),
        }


def find_chords(notes: NoteTable, seconds: float, *, step: float, stay: float) -> Chords:
    """Label `seconds` of notes with major triads, minor triads and `N` (none).

    A window's evidence is the cosine between its sounding pitch classes and each triad; silence is `N`.
    Viterbi keeps a chord until another one is worth the change.
    """
    profile = _windows(notes, seconds, step)
    size = np.linalg.norm(profile, axis=1, keepdims=True)
    likeness = (profile / np.maximum(size, 1e-12)) @ _templates().T
    none = np.where(size > 0, 0.5, 1.0)  # a triad must explain more than half
    path = _viterbi(10.0 * np.concatenate([likeness, none], axis=1), np.log(max(stay, 1.0)))
    changes = np.flatnonzero(np.diff(path)) + 1
    edges = np.concatenate([[0.0], changes * step, [seconds]])
    firsts = np.concatenate([[0], changes])
    return Chords(np.stack([edges[:-1], edges[1:]], axis=1), tuple(LABELS[path[first]] for first in firsts))


def chord_recall(reference: Chords, estimate: Chords) -> dict[str, float]:
    """Return WCSR by root and by triad; 0 to 1, as `mir_eval.chord.evaluate` does."""
    start, end = float(reference.intervals.min()), float(reference.intervals.max())
    fitted, fitted_labels = mir_eval.util.adjust_intervals(
        estimate.intervals, list(estimate.labels), start, end, "N", "N"
    )
    spans, wanted, found = mir_eval.util.merge_labeled_intervals(
        reference.intervals, list(reference.labels), fitted, fitted_labels
    )
    seconds = mir_eval.util.intervals_to_durations(spans)
    return {
        name: float(mir_eval.chord.weighted_accuracy(compare(wanted, found), seconds))
        for name, compare in (("root", mir_eval.chord.root), ("majmin", mir_eval.chord.majmin))
    }


def chord_fit(notes: NoteTable, chords: Chords) -> float:
    """Return the share of the notes' sounding time in which they belong to the chord of that time."""
    notes = notes.where(~notes.is_drum)
    inside = total = 0.0
    for (start, end), label in zip(chords.intervals, chords.labels, strict=True):
        seconds = np.minimum(notes.offset, end) - np.maximum(notes.onset, start)
        seconds = np.maximum(seconds, 0.0)
        total += float(seconds.sum())
        if label != "N":
            inside += float(seconds[_templates()[LABELS.index(label)][notes.pitch % 12] > 0].sum())
    return inside / total if total else 0.0


@cache
def _templates() -> Float[np.ndarray, "24 12"]:
    """One row of unit length per triad, its three pitch classes equally strong."""
    rows = [
        np.roll(np.isin(np.arange(12), triad), tonic)
        for triad in ((0, 4, 7), (0, 3, 7))
        for tonic in range(12)
    ]
    return np.array(rows, dtype=np.float64) / np.sqrt(3.0)


def _windows(notes: NoteTable, seconds: float, step: float) -> Float[np.ndarray, "n 12"]:
    """Return for how long each pitch class sounds in each window."""
    count = max(1, int(np.ceil(seconds / step - 1e-9)))
    starts = np.arange(count) * step
    profile = np.zeros((count, 12))
    for onset, offset, pitch, drum in zip(notes.onset, notes.offset, notes.pitch, notes.is_drum, strict=True):
        if not drum:
            shared = np.minimum(offset, starts + step) - np.maximum(onset, starts)
            profile[:, pitch % 12] += np.maximum(shared, 0.0)
    return profile


def _viterbi(evidence: Float[np.ndarray, "n m"], change_cost: float) -> Int[np.ndarray, " n"]:
    """Return the best path where every change of state costs the same."""
    total = evidence[0]
    links = np.zeros(evidence.shape, dtype=np.int64)
    for index in range(1, len(evidence)):
        best = int(total.argmax())
        links[index] = np.where(total >= total[best] - change_cost, np.arange(len(total)), best)
        total = np.maximum(total, total[best] - change_cost) + evidence[index]
    path = [int(total.argmax())]
    for link in links[:0:-1]:
        path.append(int(link[path[-1]]))
    return np.array(path[::-1], dtype=np.int64)
