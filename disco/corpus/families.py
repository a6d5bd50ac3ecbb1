"""Which tunes are variants of one another, and on which side of the split each family stands.

Tune books print the same tune under several titles, and a model tested on a variant of a training tune
is tested on its memory. Two tunes are kin when they share a title, the intervals of their first notes
(with or without the pickup), or nearly all pitches at the beats of their first four bars.
"""

import re
from fractions import Fraction
from hashlib import sha256
from itertools import pairwise

import numpy as np
from jaxtyping import Int

INCIPIT = 13  # intervals
_SKELETON_BARS, _SKELETON_POINTS = 4, 4
_MAX_DIFFERENT = 3  # of the 16 points of two skeletons
_SPLIT_SALT = "disco-musica-167"  # of the first 400 the one that splits each common kind of dance most evenly
_KINDS = r"reel|jig|slip ?jig|hornpipe|strathspey|clog|lancashire|highland|fling|walk ?around|the|a"

Notes = list[tuple[Fraction, Fraction, int]]  # onset and duration in quarter notes, MIDI pitch


def incipit(notes: Notes) -> tuple[int, ...]:
    """The first 13 intervals in semitones: equal in every key."""
    pitches = [pitch for _, _, pitch in notes[: INCIPIT + 1]]
    return tuple(after - before for before, after in pairwise(pitches))


def kinship_marks(title: str, notes: Notes, pickup: Fraction) -> set[str]:
    """What a tune shares exactly with its variants."""
    plain = re.sub(rf"\b({_KINDS})\b|[^a-z0-9]", "", title.lower())
    after_pickup = [note for note in notes if note[0] >= pickup]
    marks = {f"start {incipit(notes)[:12]}", f"downbeat {incipit(after_pickup)[:12]}"}
    return marks | ({f"title {plain}"} if len(plain) > 3 else set())


def skeleton(notes: Notes, pickup: Fraction, bar: Fraction, tonic: int) -> Int[np.ndarray, " n"]:
    """Pitch classes above the tonic at four points of each of the first four full bars."""
    points = [
        pickup + bar * Fraction(index, _SKELETON_POINTS) for index in range(_SKELETON_BARS * _SKELETON_POINTS)
    ]
    sounding = [[pitch for onset, _, pitch in notes if onset <= point][-1:] or [-1] for point in points]
    return np.array([(pitch[0] - tonic) % 12 if pitch[0] >= 0 else -1 for pitch in sounding])


def families(marks: list[set[str]], skeletons: list[Int[np.ndarray, " n"]]) -> list[int]:
    """Number the families: for each tune the index of the first tune it is kin to, through any chain.

    A tune added at the end changes no earlier number, unless it is kin to two families at once.
    """
    parent = list(range(len(marks)))

    def root(index: int) -> int:
        while parent[index] != index:
            index = parent[index]
        return index

    def join(one: int, other: int) -> None:
        first, second = sorted((root(one), root(other)))
        parent[second] = first

    seen: dict[str, int] = {}
    for index, own in enumerate(marks):
        for mark in sorted(own):
            join(index, seen.setdefault(mark, index))
    table = np.stack(skeletons)
    for index in range(1, len(table)):
        different = (table[:index] != table[index]).sum(1)
        for other in np.flatnonzero(different <= _MAX_DIFFERENT):
            join(index, int(other))
    return [root(index) for index in range(len(marks))]


def split_of(family: str) -> str:
    """Draw `train`, `val` or `test` at 80, 10 and 10 per cent from a family's name alone."""
    digest = sha256(f"{_SPLIT_SALT} {family}".encode()).digest()
    draw = int.from_bytes(digest[:8], "big") / 2**64
    return "train" if draw < 0.8 else "val" if draw < 0.9 else "test"
