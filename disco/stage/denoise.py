"""Takes steady noise down a little; off unless asked for."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from disco.audio.denoise import Denoiser
from disco.core.ranges import PositiveFloat
from disco.core.stage import Notes, Stage, Tap


class Denoise(Stage):
    """Gates steady noise in the spectrum (`disco.audio.denoise`).

    The feature `denoise_removed_db` is the power of what was taken away against that of the sound: music
    was lost where it is not far below zero.

    Args:
        max_db: at most so much is taken away from any frequency.
        memory: seconds over which the noise is sought.
    """

    def __init__(self, *, max_db: PositiveFloat, memory: PositiveFloat) -> None:
        self.max_db = max_db
        self.memory = memory

    def open(self, notes: Notes) -> Tap:
        """Begin to gate."""
        return _Gate(notes, self)


class _Gate:
    def __init__(self, notes: Notes, stage: Denoise) -> None:
        self.notes = notes
        self.denoiser = Denoiser(
            rate=notes.rate, channels=notes.channels, max_db=stage.max_db, memory=stage.memory
        )

    def push(self, block: Float[np.ndarray, "c t"]) -> Float[np.ndarray, "c t2"]:
        return self.denoiser.push(block)

    def flush(self) -> Float[np.ndarray, "c t2"]:
        rest = self.denoiser.flush()
        if np.isfinite(self.denoiser.removed_db):
            self.notes.features["denoise_removed_db"] = self.denoiser.removed_db
        return rest
