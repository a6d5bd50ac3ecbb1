"""The form of a tune: which of its sections come again, as AABB."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from disco.midi.score import NoteTable

ALIKE = 0.75  # of the notes: a section that shares so many with an earlier one is that one again
_GRID = 0.02  # seconds to which onsets are compared


def sections_of(notes: NoteTable, edges: Sequence[float]) -> list[str]:
    """Return a letter per section, from A on; sections of like notes have the same one.

    Args:
        notes: of the tune.
        edges: seconds at which the sections begin, and the end of the last one.
    """
    known: list[tuple[str, set[tuple[int, int]]]] = []
    letters = []
    for start, end in pairwise(edges):
        inside = notes.where((notes.onset >= start - _GRID) & (notes.onset < end - _GRID))
        steps = [round((onset - start) / _GRID) for onset in inside.onset.tolist()]
        played = set(zip(steps, inside.pitch.tolist(), strict=True))
        letter = next((name for name, other in known if _alike(played, other) >= ALIKE), None)
        if letter is None:
            letter = chr(ord("A") + min(len({name for name, _ in known}), 25))
            known.append((letter, played))
        letters.append(letter)
    return letters


def _alike(one: set[tuple[int, int]], other: set[tuple[int, int]]) -> float:
    """Return the share of the notes that both have, of all that either has."""
    return len(one & other) / max(1, len(one | other))
