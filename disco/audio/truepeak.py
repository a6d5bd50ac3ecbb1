"""The peak of the sound between the samples (ITU-R BS.1770-4, annex 2): four times oversampled."""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from jaxtyping import Float
from numba import njit

_HALF = 8  # samples on either side of a new one
_CHUNK = 256  # values looked at together: a chunk too quiet to matter is not oversampled
_BETA = 5.0  # of the Kaiser window: flat to 0.05 dB up to 0.4 of the rate


def _phases() -> np.ndarray:
    """Filters [3, 2·_HALF] for the three new samples after each old one; sums of 1."""
    place = np.arange(-_HALF + 1, _HALF + 1)
    filters = []
    for shift in (0.25, 0.5, 0.75):
        away = place - shift
        window = np.i0(_BETA * np.sqrt(np.maximum(0.0, 1 - (away / _HALF) ** 2))) / np.i0(_BETA)
        taps = np.sinc(away) * window
        filters.append(taps / taps.sum())
    return np.array(filters)


_FILTERS = _phases()
_GROWTH = np.float32(np.abs(_FILTERS).sum(1).max())  # no new sample exceeds its neighbours by more
# The filters at ¼ and ¾ mirror each other: sums and differences of mirrored samples serve both.
_EVEN = ((_FILTERS[0] + _FILTERS[2]) / 2)[:_HALF].astype(np.float32)
_ODD = ((_FILTERS[0] - _FILTERS[2]) / 2)[:_HALF].astype(np.float32)
_MIDDLE = _FILTERS[1][:_HALF].astype(np.float32)


class TruePeakMeter:
    """Finds the highest peak of a stream over all channels; blocks may have any size.

    Attributes:
        peak: of the samples themselves, 1 at full scale.
        true_peak: of the oversampled sound, never below `peak`.
    """

    def __init__(self, *, channels: int) -> None:
        self.peak = 0.0
        self.true_peak = 0.0
        self._last = np.zeros((2 * _HALF - 1, channels), np.float32)

    def push(self, block: Float[np.ndarray, "c t"]) -> None:
        """Take a block."""
        frames = np.ascontiguousarray(block.T, dtype=np.float32)
        seam = np.concatenate([self._last, frames[: 2 * _HALF - 1]])
        self._look(seam)
        self._look(frames)
        last = frames if len(frames) >= len(self._last) else seam
        self._last = last[len(last) - len(self._last) :].copy()

    def flush(self) -> None:
        """Look at what lies after the last sample."""
        self._look(np.concatenate([self._last, np.zeros((_HALF, self._last.shape[1]), np.float32)]))

    @property
    def dbtp(self) -> float:
        """True peak in decibels of full scale, -inf for silence."""
        return decibels(self.true_peak)

    def _look(self, frames: Float[np.ndarray, "t c"]) -> None:
        """Look at frames, and between those that have neighbours enough on either side."""
        flat = frames.reshape(-1)
        loudest = np.empty(-(-flat.size // _CHUNK) + 1, np.float32)
        self.peak = max(self.peak, float(_loudness(flat, loudest)))
        so_far, channels = np.float32(max(self.true_peak, self.peak)), frames.shape[1]
        self.true_peak = float(_highest(flat, channels, so_far, loudest, _EVEN, _ODD, _MIDDLE, _GROWTH))


def decibels(amplitude: float) -> float:
    """Return an amplitude in decibels of full scale, -inf for none."""
    return 20 * float(np.log10(amplitude)) if amplitude > 0 else -np.inf


@njit(cache=True, fastmath=True)
@no_type_check
def _loudness(flat, loudest):
    """Note the largest magnitude of every chunk, 0 behind the last, and return that of all."""
    bits, found = flat.view(np.int32), loudest.view(np.int32)
    found[-1] = 0
    for chunk in range(len(loudest) - 1):
        highest = np.int32(0)  # as whole numbers, magnitudes have the same order
        for i in range(chunk * _CHUNK, min(len(flat), (chunk + 1) * _CHUNK)):
            highest = max(highest, np.int32(bits[i] & np.int32(0x7FFFFFFF)))
        found[chunk] = highest
    return loudest.max()


@njit(cache=True, fastmath=True)
@no_type_check
def _highest(flat, channels, peak, loudest, even, odd, middle, growth):
    """Return the larger of `peak` and what is found between interleaved samples.

    A neighbour in time is `channels` values away, so all channels go through one loop, and the loops
    over values, not over taps, are the inner ones: these the compiler turns into wide instructions.
    """
    reach = (2 * _HALF - 1) * channels
    across = -(-reach // _CHUNK)  # a value's neighbours lie in so many more chunks
    centre = np.empty(_CHUNK, np.float32)
    mirrored = np.empty(_CHUNK, np.float32)
    half = np.empty(_CHUNK, np.float32)
    for first in range(0, len(flat) - reach, _CHUNK):
        chunk = first // _CHUNK
        if loudest[chunk : chunk + across + 1].max() * growth <= peak:
            continue
        count = min(_CHUNK, len(flat) - reach - first)
        centre[:] = mirrored[:] = half[:] = np.float32(0.0)
        for j in range(0, _HALF, 2):  # two pairs at once: half the traffic with the sums
            early, near = flat[first + j * channels :], flat[first + (j + 1) * channels :]
            late, far = flat[first + reach - (j + 1) * channels :], flat[first + reach - j * channels :]
            a, b, c = even[j], odd[j], middle[j]
            d, e, f = even[j + 1], odd[j + 1], middle[j + 1]
            for i in range(count):
                outer, inner = early[i] + far[i], near[i] + late[i]
                centre[i] += a * outer + d * inner
                half[i] += c * outer + f * inner
                mirrored[i] += b * (early[i] - far[i]) + e * (near[i] - late[i])
        for i in range(count):
            peak = max(peak, max(abs(centre[i]) + abs(mirrored[i]), abs(half[i])))
    return peak
