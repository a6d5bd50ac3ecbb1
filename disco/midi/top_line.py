"""The tune of a score: its highest sounding note at each moment."""

import numpy as np
from jaxtyping import Float, Int

from disco.midi.score import NoteTable


def top_line(notes: NoteTable, moments: Float[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Return the highest pitch that sounds at each moment [seconds], -1 where none does, drums apart."""
    line = np.full(len(moments), -1, dtype=np.int64)
    for onset, offset, pitch, drum in zip(notes.onset, notes.offset, notes.pitch, notes.is_drum, strict=True):
        if not drum:
            sounds = (moments >= onset) & (moments < offset)
            line[sounds] = np.maximum(line[sounds], pitch)
    return line
