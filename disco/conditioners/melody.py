"""A melody on the frame grid: each frame is told which pitch class leads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from disco.audio.io import read_clip
from disco.audio.melody import leading_classes
from disco.conditioners.listener import Listener, middles
from disco.core.batch import Conditions
from disco.core.contracts import Context
from disco.core.given import NO_PITCH, Melody
from disco.core.ranges import PositiveInt, Share
from disco.midi.score import note_table, read_score
from disco.midi.top_line import top_line

RATE = 32.0  # frames per second of a melody that is read from a file
UNKNOWN, REST = 0, 1  # rows of the table; then C to B


class MelodyFrames(Listener):
    """Adds one of fourteen vectors to every frame: nothing known, a rest, or a pitch class.

    At generation it is given as `melody=tune.wav`, or as `melody=tune.mid`, whose top line counts.
    """

    hears = "melody"

    def __init__(self, *, width: PositiveInt, dropout: Share) -> None:
        super().__init__(dropout=dropout)
        self.embedding = nn.Embedding(2 + 12, width)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)

    def forward(self, conditions: Conditions, frames: int, frame_rate: float) -> Context:
        """Return a vector per frame, to be added."""
        moments = middles(frames, frame_rate)
        nothing = np.full(frames, UNKNOWN)
        rows = [
            nothing if one is None else one.at(moments) - NO_PITCH + REST for one in self.heard(conditions)
        ]
        return Context(
            added=self.embedding(torch.from_numpy(np.stack(rows)).to(self.embedding.weight.device))
        )

    def understand(self, words: str, *, tempo_bpm: float) -> Melody:
        """Read the melody of a sound file or of a MIDI file."""
        return read_melody(words)


def read_melody(path: str) -> Melody:
    """Read the melody of a sound file or of a MIDI file.

    Raises:
        DiscoError: the file cannot be read.
    """
    if Path(path).suffix.lower() in (".mid", ".midi"):
        notes = note_table(read_score(path))
        moments = middles(max(1, round(float(notes.offset.max()) * RATE)), RATE)
        line = top_line(notes, moments)
        return Melody(np.where(line < 0, NO_PITCH, line % 12), RATE)
    return Melody(leading_classes(read_clip(path), RATE), RATE)
