"""Notes where the sound begins and ends, so that silence before and after it is left out."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from disco.audio.dynamics import Levels, kept_seconds
from disco.core.ranges import NaturalFloat
from disco.core.stage import Notes, Stage, Tap

_HOP_SECONDS = 0.002


class Trim(Stage):
    """Watches the level every 2 ms; the stored sound stays whole, and `notes.kept` says what to play.

    Levels are against the loudest moment of the file. A file that is silent keeps all of itself.

    Args:
        open_db: what is this close to the loudest moment is sound for certain.
        close_db: around it, everything down to this belongs to it: attacks, decays, reverb.
        floor_db: dBFS; below it nothing counts, in however soft a file.
        pre_roll: seconds kept before the sound; post_roll: and after it.
        fade_seconds: fade in and out wherever something is cut out of the file, against clicks.
    """

    def __init__(
        self,
        *,
        open_db: float,
        close_db: float,
        floor_db: float,
        pre_roll: NaturalFloat,
        post_roll: NaturalFloat,
        fade_seconds: NaturalFloat,
    ) -> None:
        if not close_db <= open_db <= 0:
            raise ValueError(f"0 >= open_db >= close_db is needed, got {open_db} and {close_db}")
        self.open_db = open_db
        self.close_db = close_db
        self.floor_db = floor_db
        self.pre_roll = pre_roll
        self.post_roll = post_roll
        self.fade_seconds = fade_seconds

    def open(self, notes: Notes) -> Tap:
        """Begin to watch."""
        return _Watch(notes, self)

    def kept(self, levels: Levels, rate: int, seconds: float) -> tuple[float, float] | None:
        """Return the (start, end) of the sound in seconds, None for silence."""
        kept = kept_seconds(
            levels.in_db(),
            levels.hop / rate,
            open_db=self.open_db,
            close_db=self.close_db,
            floor_db=self.floor_db,
            pre_roll=self.pre_roll,
            post_roll=self.post_roll,
        )
        return None if kept is None else (kept[0], min(kept[1], seconds))


class _Watch:
    """Lets the stream pass and notes at its end what is kept."""

    def __init__(self, notes: Notes, stage: Trim) -> None:
        self.notes, self.stage = notes, stage
        self.levels = Levels(hop=max(1, round(notes.rate * _HOP_SECONDS)), channels=notes.channels)
        self.frames = 0

    def push(self, block: Float[np.ndarray, "c t"]) -> Float[np.ndarray, "c t"]:
        self.levels.push(block)
        self.frames += block.shape[1]
        return block

    def flush(self) -> Float[np.ndarray, "c 0"]:
        rate = self.notes.rate
        self.notes.kept = self.stage.kept(self.levels, rate, self.frames / rate)
        self.notes.fade_seconds = self.stage.fade_seconds
        return np.zeros((self.notes.channels, 0), np.float32)
