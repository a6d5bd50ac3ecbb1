"""Fewer bits without distortion: triangular noise before rounding (Lipshitz, Wannamaker, Vanderkooy 1992)."""

from __future__ import annotations

from typing import Literal, no_type_check

import numpy as np
from jaxtyping import Float
from numba import njit


class Dither:
    """Rounds a stream to 16 or 24 bits, with dither of two steps' width, and cuts it to full scale.

    Samples that already lie on a step stay: a 16-bit file comes back bit for bit and silence stays
    silent. The noise of a sample depends on the seed and on the sample's place alone, so the same
    file gives the same bytes in blocks of any size.

    Args:
        seed: from the file's content.

    Attributes:
        num_clipped: samples that lay beyond full scale, by more than rounding.
    """

    def __init__(self, *, bits: Literal[16, 24], seed: int) -> None:
        self.bits = bits
        self.num_clipped = 0
        self._seed = np.uint32((seed ^ seed >> 32) & 0xFFFFFFFF)
        self._taken = 0

    def push(self, block: Float[np.ndarray, "c t"]) -> Float[np.ndarray, "c t"]:
        """Return the block in whole multiples of a step, interleaved in memory."""
        frames = np.ascontiguousarray(block.T, dtype=np.float32)
        steps = np.empty(frames.shape, np.float32)
        first = np.uint32(self._taken & 0xFFFFFFFF)
        full = np.float32(1 << (self.bits - 1))
        self.num_clipped += int(_round(frames.reshape(-1), steps.reshape(-1), self._seed, first, full))
        self._taken += frames.size
        return steps.T


@njit(cache=True)
@no_type_check
def _round(samples, steps, seed, first, full):
    """Write the rounded samples and return how many were cut.

    The noise is a hash of the place (two rounds of multiply and shift): its halves are two uniform
    numbers, and their difference is triangular.
    """
    over = np.float32(2.0**-16)
    step = np.float32(1.0) / full
    top = full - np.float32(1.0)
    num_clipped = np.uint32(0)
    for i in range(len(samples)):
        noise = np.uint32(np.uint32(i) + first)
        noise = np.uint32((noise ^ (noise >> np.uint32(16))) * np.uint32(0x7FEB352D)) ^ seed
        noise = np.uint32((noise ^ (noise >> np.uint32(15))) * np.uint32(0x846CA68B))
        noise = noise ^ (noise >> np.uint32(16))
        low = np.float32(np.int32(noise & np.uint32(0xFFFF)))
        high = np.float32(np.int32(noise >> np.uint32(16)))
        value = samples[i] * full
        whole = np.rint(value)
        dithered = np.rint(value + (low - high) * over)
        whole = whole if whole == value else dithered
        num_clipped += np.uint32(abs(value) > full)
        steps[i] = min(max(whole, -full), top) * step
    return num_clipped
