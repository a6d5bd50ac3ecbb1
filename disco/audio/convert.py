"""A stream at another sampling rate or with other channels, in blocks of any size."""

from __future__ import annotations

from typing import Literal

import numpy as np
import soxr
from jaxtyping import Float

from disco.audio.faults import BadAudio

Quality = Literal["HQ", "VHQ"]

_SIDE = 0.5**0.5  # centre and surrounds enter 3 dB down: ITU-R BS.775, annex 4
# Left and right from the channels of WAV by their number; the low-frequency effects stay out.
_TO_LEFT = {
    3: (1, 0, _SIDE),
    4: (1, 0, _SIDE, 0),
    5: (1, 0, _SIDE, _SIDE, 0),
    6: (1, 0, _SIDE, 0, _SIDE, 0),
    7: (1, 0, _SIDE, 0, 0.5, _SIDE, 0),
    8: (1, 0, _SIDE, 0, _SIDE, 0, _SIDE, 0),
}
_TO_RIGHT = {
    3: (0, 1, _SIDE),
    4: (0, 1, 0, _SIDE),
    5: (0, 1, _SIDE, 0, _SIDE),
    6: (0, 1, _SIDE, 0, 0, _SIDE),
    7: (0, 1, _SIDE, 0, 0.5, 0, _SIDE),
    8: (0, 1, _SIDE, 0, 0, _SIDE, 0, _SIDE),
}


def downmix(from_channels: int, to_channels: int) -> Float[np.ndarray, "c2 c"]:
    """Return the matrix that turns channels (in the order of WAV) into fewer or more.

    Stereo becomes mono by the mean and mono becomes anything by copies. Three to eight channels become
    stereo by ITU-R BS.775: centre, surrounds and back 3 dB down on their side, low-frequency effects
    left out, all scaled so that full scale on every channel stays within full scale. Mono of these is
    the mean of that stereo. More than eight channels have no layout: each side is their mean.

    Raises:
        BadAudio: `odd_channels`, no rule leads from one to the other.
    """
    if from_channels == to_channels:
        return np.eye(from_channels, dtype=np.float32)
    if from_channels == 1:
        return np.ones((to_channels, 1), np.float32)
    if to_channels > 2 or to_channels > from_channels:
        raise BadAudio(
            "odd_channels",
            f"{from_channels} channels cannot become {to_channels}",
            do="ask for 1 or 2 channels, or mix it down first",
        )
    if from_channels == 2 or from_channels > 8:
        return np.full((to_channels, from_channels), 1.0 / from_channels, np.float32)
    sides = np.array([_TO_LEFT[from_channels], _TO_RIGHT[from_channels]])
    sides /= sides[0].sum()
    return (sides if to_channels == 2 else sides.mean(0, keepdims=True)).astype(np.float32)


class Mixer:
    """Applies `downmix` block by block; silent is what `from_channels == to_channels` costs."""

    def __init__(self, *, from_channels: int, to_channels: int) -> None:
        self.matrix = downmix(from_channels, to_channels)
        self.same = from_channels == to_channels

    def push(self, block: Float[np.ndarray, "c t"]) -> Float[np.ndarray, "c2 t"]:
        """Return the block with the other channels, interleaved in memory."""
        return block if self.same else (block.T @ self.matrix.T).T


class Resampler:
    """Changes the sampling rate of a stream; the sample at second s stays at second s.

    The total length is `round(t * to_rate / from_rate)`, and the samples do not depend on how the
    stream is cut into blocks: both are as `disco.audio.resample.resample` makes them.

    Args:
        quality: soxr's `HQ` (20 bit, aliases below -100 dB) or `VHQ` (28 bit, 1.7 times the work).
    """

    def __init__(self, *, from_rate: int, to_rate: int, channels: int, quality: Quality) -> None:
        self.from_rate, self.to_rate, self.channels = from_rate, to_rate, channels
        self._soxr = soxr.ResampleStream(from_rate, to_rate, channels, dtype="float32", quality=quality)
        self._taken = self._given = 0

    def push(self, block: Float[np.ndarray, "c t"]) -> Float[np.ndarray, "c t2"]:
        """Take a block and return what is ready."""
        self._taken += block.shape[1]
        if self.from_rate == self.to_rate:
            return block
        made = self._soxr.resample_chunk(np.ascontiguousarray(block.T))
        self._given += len(made)
        return made.T

    def flush(self) -> Float[np.ndarray, "c t2"]:
        """Return the rest, to the exact length."""
        if self.from_rate == self.to_rate:
            return np.zeros((self.channels, 0), np.float32)
        made = self._soxr.resample_chunk(np.zeros((0, self.channels), np.float32), last=True)
        left = max(0, round(self._taken * self.to_rate / self.from_rate) - self._given)
        rest = np.zeros((left, self.channels), np.float32)
        rest[: len(made)] = made[:left]
        return rest.T
