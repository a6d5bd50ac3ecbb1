"""WAV files of 16 bits read as they lie there: through libsndfile the same takes three times as long."""

from __future__ import annotations

from io import BufferedReader
from pathlib import Path

import numpy as np
from jaxtyping import Int16

from disco.audio.mapped import find_sound


class PlainWav:
    """Reads such a file as `soundfile.SoundFile` does; what it returns is overwritten by the next `read`.

    Attributes:
        samplerate: Hz; channels; frames.
    """

    subtype = "PCM_16"

    def __init__(self, file: BufferedReader, *, rate: int, channels: int, first: int, frames: int) -> None:
        self.samplerate, self.channels, self.frames = rate, channels, frames
        self._file = file
        self._left = frames
        self._room = np.empty((0, channels), "<i2")
        file.seek(first)

    def read(self, frames: int, *, dtype: str, always_2d: bool) -> Int16[np.ndarray, "t c"]:
        """Return up to so many samples of every channel, none at the end."""
        if len(self._room) < frames:
            self._room = np.empty((frames, self.channels), "<i2")
        room = self._room[: min(frames, self._left)]
        there = self._file.readinto(room.data.cast("B")) if len(room) else 0
        count = there // (2 * self.channels)
        self._left -= count
        return room[:count]

    def close(self) -> None:
        """Leave the file to who has opened it."""


def open_plain(path: Path, file: BufferedReader) -> PlainWav | None:
    """Return a reader of a file that is open, or None if libsndfile has to read it."""
    with path.open("rb") as head:  # libsndfile may go on from where the other file stands
        found = find_sound(head, path.stat().st_size)
    if found is None or found.bits != 16:
        return None
    frames = found.size // (2 * found.channels)
    return PlainWav(file, rate=found.rate, channels=found.channels, first=found.first, frames=frames)
