"""How far peaks stand out of the body of the sound: crest factor and dynamic range."""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from jaxtyping import Float
from numba import njit

_BLOCK_SECONDS = 3.0
_LOUDEST = 0.2  # share of the blocks whose level is the body of the sound


class CrestMeter:
    """Measures a stream over all channels together; how it is cut into blocks changes nothing.

    Attributes:
        peak: of the samples, 1 at full scale.
    """

    def __init__(self, *, rate: int, channels: int) -> None:
        self.peak = 0.0
        self._channels = channels
        self._length = round(rate * _BLOCK_SECONDS) * channels
        self._filled = 0
        self._power = 0.0
        self._top = 0.0
        self._powers: list[float] = []
        self._tops: list[float] = []

    def push(self, block: Float[np.ndarray, "c t"]) -> None:
        """Take a block."""
        flat = np.ascontiguousarray(block.T).reshape(-1)
        place = 0
        while place < flat.size:
            piece = flat[place : place + self._length - self._filled]
            power, top = _measure(piece)
            self._power += float(power)
            self._top = max(self._top, float(top))
            self._filled += piece.size
            place += piece.size
            if self._filled == self._length:
                self._close()
        self.peak = max(self.peak, self._top)

    @property
    def crest_db(self) -> float:
        """Peak over the root mean square of everything, in dB; 0 for silence."""
        total = sum(self._powers) * self._length + self._power
        values = len(self._powers) * self._length + self._filled
        return 20 * float(np.log10(self.peak / np.sqrt(total / values))) if total > 0 else 0.0

    @property
    def dynamic_range(self) -> float:
        """Dynamic range in dB as the DR meter of the Pleasurize Music Foundation has it; 0 for silence.

        The second highest peak of blocks of 3 s over the level of the loudest fifth of them, where a
        sine has the level of its peak. A last block of less than 3 s counts only when it is the only one.
        """
        powers, tops = self._powers, self._tops
        if not powers and self._filled:
            powers, tops = [self._power / self._filled], [self._top]
        if not powers or max(powers) <= 0:
            return 0.0
        loudest = sorted(powers, reverse=True)[: max(1, round(len(powers) * _LOUDEST))]
        peak = sorted(tops, reverse=True)[min(1, len(tops) - 1)]
        return max(0.0, 20 * float(np.log10(peak)) - 10 * float(np.log10(2 * np.mean(loudest))))

    def _close(self) -> None:
        self._powers.append(self._power / self._length)
        self._tops.append(self._top)
        self.peak = max(self.peak, self._top)
        self._power = self._top = 0.0
        self._filled = 0


@njit(cache=True, fastmath=True)
@no_type_check
def _measure(values):
    """Return the sum of squares and the largest magnitude, which as a whole number has the same order."""
    bits, power, top = values.view(np.int32), 0.0, np.zeros(1, np.int32)
    for first in range(0, len(values), 1024):
        part = np.float32(0.0)
        highest = np.int32(0)
        for i in range(first, min(len(values), first + 1024)):
            part += values[i] * values[i]
            highest = max(highest, np.int32(bits[i] & np.int32(0x7FFFFFFF)))
        power += part
        top[0] = max(top[0], highest)
    return power, top.view(np.float32)[0]
