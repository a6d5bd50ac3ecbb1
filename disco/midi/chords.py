"""Which chords some notes make: their labels, and how they are found."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float, Int

from disco.midi.score import NoteTable

TONICS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
LABELS = (*(f"{tonic}:maj" for tonic in TONICS), *(f"{tonic}:min" for tonic in TONICS), "N")


@dataclass(frozen=True, eq=False)
class Chords:
    """Chord labels in the syntax of Harte (2010), each with its start and end in seconds."""

    intervals: Float[np.ndarray, "n 2"]
    labels: tuple[str, ...]


def find_chords(notes: NoteTable, seconds: float, *, step: float, stay: float) -> Chords:
    """Label `seconds` of notes with major triads, minor triads and `N` (none).

    A window's evidence is the cosine between its sounding pitch classes and each triad; silence is `N`.
    Viterbi keeps a chord until another one is worth the change.
    """
    profile = _windows(notes, seconds, step)
    size = np.linalg.norm(profile, axis=1, keepdims=True)
    likeness = (profile / np.maximum(size, 1e-12)) @ triads().T
    none = np.where(size > 0, 0.5, 1.0)  # a triad must explain more than half
    path = _viterbi(10.0 * np.concatenate([likeness, none], axis=1), np.log(max(stay, 1.0)))
    changes = np.flatnonzero(np.diff(path)) + 1
    edges = np.concatenate([[0.0], changes * step, [seconds]])
    firsts = np.concatenate([[0], changes])
    return Chords(np.stack([edges[:-1], edges[1:]], axis=1), tuple(LABELS[path[first]] for first in firsts))


@cache
def triads() -> Float[np.ndarray, "24 12"]:
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
