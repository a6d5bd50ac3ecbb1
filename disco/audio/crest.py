"""How far peaks stand out of the body of the sound: crest factor and dynamic range."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

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
            self._power += float(np.dot(piece, piece))
            self._top = max(self._top, float(piece.max()), -float(piece.min()))
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
