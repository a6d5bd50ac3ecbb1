"""Chords on the frame grid: each frame is told which one is meant to sound."""

from __future__ import annotations

import re
from functools import cache

import mir_eval
import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from disco.conditioners.listener import Listener, middles
from disco.conditioners.timeline import parse_timeline
from disco.core.batch import Conditions
from disco.core.contracts import Context
from disco.core.given import Labels
from disco.core.ranges import PositiveInt, Share
from disco.errors import DiscoError

SIZE = 12 + 12 + 1  # root, pitch classes, whether anything is known
# How players write chords, in the syntax of Harte (2010).
_SHORT = {
    "": "maj", "m": "min", "-": "min", "7": "7", "maj7": "maj7", "m7": "min7", "dim": "dim", "aug": "aug",
    "sus2": "sus2", "sus4": "sus4", "6": "maj6", "m6": "min6", "dim7": "dim7", "9": "9",
}  # fmt: skip


class ChordFrames(Listener):
    """Adds a vector to every frame: a projection of the chord's root and of its pitch classes.

    So chords that share notes are alike, and one that training never met is understood by its notes. `N`
    asks for no chord. At generation it is given as `chords="C:4 G:4 Am:4 F:4"`, in quarter notes.
    """

    hears = "chords"

    def __init__(self, *, width: PositiveInt, dropout: Share) -> None:
        super().__init__(dropout=dropout)
        self.project = nn.Linear(SIZE, width, bias=False)
        nn.init.normal_(self.project.weight, std=width**-0.5)

    def forward(self, conditions: Conditions, frames: int, frame_rate: float) -> Context:
        """Return a vector per frame, to be added; nothing where nothing is known."""
        moments = middles(frames, frame_rate).tolist()
        rows = np.zeros((len(conditions), frames, SIZE), np.float32)
        for row, labels in zip(rows, self.heard(conditions), strict=True):
            if labels is not None:
                row[:] = np.stack([spelt(labels.at(moment)) for moment in moments])
        weight = self.project.weight
        return Context(added=self.project(torch.from_numpy(rows).to(weight)))

    def understand(self, words: str, *, tempo_bpm: float) -> Labels:
        """Read chords, each with its length in quarter notes."""
        labels = parse_timeline(words, tempo_bpm=tempo_bpm, what="chords")
        return Labels(labels.starts, tuple(as_harte(name) for name in labels.names), labels.end)


@cache
def spelt(label: str | None) -> Float[np.ndarray, " 25"]:
    """Return root and pitch classes of a chord as zeros and ones, and a one: something is known.

    Raises:
        DiscoError: there is no such chord.
    """
    row = np.zeros(SIZE, np.float32)
    if label is None:
        return row
    try:
        root, intervals, _ = mir_eval.chord.encode(label)
    except mir_eval.chord.InvalidChordException as error:
        raise DiscoError(
            f"chords: there is no chord '{label}'", do="write it like C, Am, F#7 or Bb"
        ) from error
    row[-1] = 1.0
    if root >= 0:
        row[root] = 1.0
        row[12:24] = np.roll(intervals, root)
    return row


def as_harte(name: str) -> str:
    """Return a chord as players write it (`Am7`) in Harte's syntax (`A:min7`), which may be given as well.

    Raises:
        DiscoError: there is no such chord.
    """
    found = re.fullmatch(r"([A-G][#b]?)(.*)", name)
    if found and found[2] in _SHORT:
        name = f"{found[1]}:{_SHORT[found[2]]}"
    spelt(name)
    return name
