"""Chords: written triads are found, and recall is mir_eval's."""

import mir_eval
import numpy as np
import pytest

from disco.core.metric import Take
from disco.metrics.chords import LABELS, ChordAgreement, Chords, chord_recall, find_chords
from disco.midi.score import NoteTable
from tests.metrics.music import chorales, heard_only, played, table


def triads(labels, seconds=1.0):
    """Each chord held for some seconds, in three voices."""
    onset, pitch = [], []
    for index, label in enumerate(labels):
        place = LABELS.index(label)
        for step in (0, 4 if place < 12 else 3, 7):
            onset.append(index * seconds)
            pitch.append(48 + place % 12 + step)
    return table(onset, pitch, length=seconds)


def judged(made, reference):
    metric = ChordAgreement(step=0.25, stay=8.0)
    metric.update([made], [reference])
    return metric.compute()


def test_all_24_triads_are_found_where_they_stand():
    labels = [*LABELS[:24:5], *LABELS[2:24:5], *LABELS[:24]]
    found = find_chords(triads(labels), float(len(labels)), step=0.25, stay=8.0)
    assert found.labels == tuple(labels)
    assert found.intervals[:, 0] == pytest.approx(np.arange(len(labels)))


def test_a_passing_note_changes_no_chord():
    notes = triads(["C:maj", "C:maj"])
    passing = table([0.5], [62], length=0.25)
    both = NoteTable(
        *(
            np.concatenate([getattr(a, n), getattr(b, n)])
            for a, b in [(notes, passing)]
            for n in notes.__dict__
        )
    )
    assert find_chords(both, 2.0, step=0.25, stay=8.0).labels == ("C:maj",)


def test_silence_has_no_chord():
    found = find_chords(table([], []), 3.0, step=0.25, stay=8.0)
    assert found.labels == ("N",)
    assert found.intervals.tolist() == [[0.0, 3.0]]


def test_recall_is_mir_evals():
    rng, roots_alone = np.random.default_rng(0), 0.0
    for _ in range(10):
        reference, estimate = (random_chords(rng) for _ in range(2))
        expected = mir_eval.chord.evaluate(
            reference.intervals, list(reference.labels), estimate.intervals, list(estimate.labels)
        )
        found = chord_recall(reference, estimate)
        assert found["root"] == pytest.approx(expected["root"])
        assert found["majmin"] == pytest.approx(expected["majmin"])
        roots_alone += found["root"] - found["majmin"]
    assert roots_alone > 0.1


def random_chords(rng):
    edges = np.concatenate([[0.0], np.sort(rng.uniform(0.5, 29.5, 11)), [30.0]])
    labels = tuple(LABELS[index] for index in rng.choice([0, 12, 7, 24], 12))  # C, C minor, G, none
    return Chords(np.stack([edges[:-1], edges[1:]], axis=1), labels)


def test_more_wrong_chords_score_lower():
    right = ["C:maj", "F:maj", "G:maj", "A:min"] * 2
    scores = []
    for wrong in (0, 2, 4, 8):
        labels = ["F#:min"] * wrong + right[wrong:]
        scores.append(judged(Take(notes=triads(labels)), Take(notes=triads(right)))["majmin"])
    assert scores == [1.0, 0.75, 0.5, 0.0]


@pytest.mark.long
def test_a_chorales_chords_are_heard_in_its_sound_and_not_in_anothers():
    own, other = (played(tune.id, end=12.0) for tune in chorales(2))
    heard = judged(heard_only(own), own)
    assert heard["majmin"] > 0.6
    assert judged(heard_only(other), own)["majmin"] < heard["majmin"] - 0.3
    assert heard["fit"] > 0.6
