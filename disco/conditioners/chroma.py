"""A melody as MusicGen hears it: a row of leading pitch classes that stands before the music."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from disco.conditioners.listener import Listener, middles
from disco.conditioners.melody import read_melody
from disco.core.batch import Conditions
from disco.core.contracts import Context
from disco.core.given import Melody
from disco.core.ranges import PositiveFloat, PositiveInt, Share


class Chroma(Listener):
    """Projects the leading pitch class, one of twelve, at even distances of time.

    To stand before the first step it is named in `model.fuser.prepend`; else it is attended to. At
    generation it is given as `melody=tune.wav` or `melody=tune.mid`.

    Args:
        per_second: vectors; MusicGen has 235 in 30 s.
    """

    hears = "melody"

    def __init__(self, *, width: PositiveInt, per_second: PositiveFloat, dropout: Share) -> None:
        super().__init__(dropout=dropout)
        self.per_second = per_second
        self.project = nn.Linear(12, width)

    def forward(self, conditions: Conditions, frames: int, frame_rate: float) -> Context:
        """Return a row of vectors for each item; an item without a melody says nothing."""
        place = self.project.weight.device
        heard = self.heard(conditions)
        moments = middles(math.ceil(frames / frame_rate * self.per_second - 1e-6), self.per_second)
        classes = np.full((len(heard), len(moments)), -1)
        for row, one in enumerate(heard):
            if one is not None:
                classes[row] = one.at(moments)
        led = torch.from_numpy(classes[..., None] == np.arange(12)).to(place)
        mask = torch.tensor([one is not None for one in heard], device=place)[:, None].expand(led.shape[:2])
        return Context(
            cross=self.project(led.to(self.project.weight.dtype)) * mask[..., None], cross_mask=mask
        )

    def understand(self, words: str, *, tempo_bpm: float) -> Melody:
        """Read the melody of a sound file or of a MIDI file."""
        return read_melody(words)
