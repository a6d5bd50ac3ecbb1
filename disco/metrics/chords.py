"""Which chords sound, and whether they are the reference's."""

from collections.abc import Mapping
from typing import ClassVar

import mir_eval
import numpy as np

from disco.core.metric import Averaged, Take
from disco.core.ranges import PositiveFloat
from disco.midi.chords import LABELS, Chords, find_chords, triads
from disco.midi.score import NoteTable


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
    deaf: ClassVar[Mapping[str, str]] = {
        "noise": "harmony is heard through noise as loud as the music",
    }
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
            inside += float(seconds[triads()[LABELS.index(label)][notes.pitch % 12] > 0].sum())
    return inside / total if total else 0.0
