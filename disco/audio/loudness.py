"""Loudness as ITU-R BS.1770-4 measures it, and its range by EBU Tech 3342, over a stream.

Samples are weighted (a shelf for the head, a high-pass), squared, and summed over steps of 100 ms.
Everything else is arithmetic on these sums, so a stream costs one pass and 8 bytes per step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Float, Float64
from numba import njit

ABSOLUTE_GATE = -70.0  # LUFS
_OFFSET = -0.691  # what makes a sine of 997 Hz at full scale in one channel -3.01 LUFS
_STEPS_PER_SECOND = 10
_MOMENTARY, _SHORT_TERM = 4, 30  # steps: 400 ms and 3 s
_TINY = 1e-60  # filter memories below it are cleared: denormal numbers are a hundred times slower
_SURROUND = 1.41
_PASS_HZ, _PASS_Q = 38.13547087613982, 0.5003270373253953
# In the order of WAV: low-frequency effects count nothing, what comes from the side 1.5 dB more.
_WEIGHTS = {
    4: (1, 1, _SURROUND, _SURROUND),
    5: (1, 1, 1, _SURROUND, _SURROUND),
    6: (1, 1, 1, 0, _SURROUND, _SURROUND),
    7: (1, 1, 1, 0, 1, _SURROUND, _SURROUND),
    8: (1, 1, 1, 0, 1, 1, _SURROUND, _SURROUND),
}


@dataclass(frozen=True)
class Loudness:
    """What a meter shows of a whole stream. LUFS, -inf where nothing passes the gate; range in LU."""

    integrated: float
    momentary_max: float
    short_term_max: float
    range_lu: float


def channel_weights(channels: int) -> Float64[np.ndarray, " c"]:
    """Return how much the power of each channel counts (BS.1770-4, tables 3 and 4)."""
    return np.array(_WEIGHTS.get(channels, (1,) * channels), np.float64)


def k_weighting(rate: int) -> Float64[np.ndarray, "2 5"]:
    """Return b0 b1 b2 a1 a2 of the two biquads; at 48 kHz those that BS.1770-4 prints.

    The analogue prototypes behind the printed numbers, brought to other rates by the bilinear transform.
    The printed high-pass passes 0.043 dB more than it takes; so does this one, at every rate.
    """
    shelf_hz, shelf_q, shelf_db = 1681.9744509555319, 0.7071752369554193, 3.99984385397
    k = np.tan(np.pi * shelf_hz / rate)
    high = 10 ** (shelf_db / 20)
    band = high**0.499666774155
    a0 = 1 + k / shelf_q + k * k
    shelf = [
        (high + band * k / shelf_q + k * k) / a0,
        2 * (k * k - high) / a0,
        (high - band * k / shelf_q + k * k) / a0,
        2 * (k * k - 1) / a0,
        (1 - k / shelf_q + k * k) / a0,
    ]
    k, a0 = _high_pass(rate)
    gain = _high_pass(48000)[1] / a0
    high_pass = [gain, -2 * gain, gain, 2 * (k * k - 1) / a0, (1 - k / _PASS_Q + k * k) / a0]
    return np.array([shelf, high_pass])


def _high_pass(rate: int) -> tuple[float, float]:
    k = float(np.tan(np.pi * _PASS_HZ / rate))
    return k, 1 + k / _PASS_Q + k * k


class LoudnessMeter:
    """Measures a stream; how it is cut into blocks changes nothing."""

    def __init__(self, *, rate: int, channels: int) -> None:
        self.rate = rate
        self._weights = channel_weights(channels)
        self._filters = k_weighting(rate)
        self._memory = np.zeros((channels, 4))
        self._sums = np.zeros(channels)
        self._taken = 0
        self._energies: list[float] = []  # weighted, per step

    def push(self, block: Float[np.ndarray, "c t"]) -> None:
        """Take a block."""
        frames = np.ascontiguousarray(block.T, dtype=np.float32)
        number, taken = len(self._energies), self._taken
        found = np.empty(len(frames) * _STEPS_PER_SECOND // self.rate + 2)
        count = _measure(
            frames, self._filters, self._weights, self._memory, self._sums, taken, number, self.rate, found
        )
        self._energies.extend(found[:count].tolist())
        self._taken += len(frames)

    def momentary(self) -> Float64[np.ndarray, " f"]:
        """Return the loudness of every 400 ms, ten a second."""
        return loudness_of(self._windows(_MOMENTARY))

    def short_term(self) -> Float64[np.ndarray, " f"]:
        """Return the loudness of every 3 s, ten a second."""
        return loudness_of(self._windows(_SHORT_TERM))

    def result(self) -> Loudness:
        """Return what the meter shows."""
        momentary, short_term = self.momentary(), self.short_term()
        return Loudness(
            integrated=_gated(self._windows(_MOMENTARY)),
            momentary_max=float(momentary.max(initial=-np.inf)),
            short_term_max=float(short_term.max(initial=-np.inf)),
            range_lu=loudness_range(short_term),
        )

    def _windows(self, steps: int) -> Float64[np.ndarray, " f"]:
        """Mean power over all windows of so many steps that the stream fills."""
        total = np.concatenate([[0.0], np.cumsum(self._energies)])
        power = np.maximum(total[steps:] - total[:-steps], 0.0)
        return power * _STEPS_PER_SECOND / (steps * self.rate)


def loudness_of(power: Float64[np.ndarray, " f"]) -> Float64[np.ndarray, " f"]:
    """Return the loudness of weighted mean powers, -inf for none."""
    with np.errstate(divide="ignore"):
        return _OFFSET + 10 * np.log10(power)


def loudness_range(short_term: Float64[np.ndarray, " f"] | Sequence[float]) -> float:
    """Return the range between quiet and loud passages in LU (EBU Tech 3342); 0 for less than 3 s."""
    heard = np.asarray(short_term, np.float64)
    heard = heard[heard >= ABSOLUTE_GATE]
    if not len(heard):
        return 0.0
    gate = 10 * np.log10(np.mean(10 ** (heard / 10))) - 20
    low, high = np.percentile(heard[heard >= gate], [10, 95])
    return float(high - low)


def gain_to(
    integrated_lufs: float, true_peak_dbtp: float, *, target_lufs: float, ceiling_dbtp: float
) -> float:
    """Return the gain in dB that reaches the target, or as much of it as the ceiling lets through.

    0 where there is nothing to hear; never NaN or infinite.
    """
    if not np.isfinite(integrated_lufs):
        return 0.0
    wanted = target_lufs - integrated_lufs
    return min(wanted, ceiling_dbtp - true_peak_dbtp) if np.isfinite(true_peak_dbtp) else wanted


def _gated(power: Float64[np.ndarray, " f"]) -> float:
    loud = power[loudness_of(power) >= ABSOLUTE_GATE]
    if not len(loud):
        return -np.inf
    gate = loudness_of(np.array([loud.mean()]))[0] - 10
    return float(loudness_of(np.array([loud[loudness_of(loud) > gate].mean()]))[0])


@njit(cache=True)
@no_type_check
def _measure(frames, filters, weights, memory, sums, taken, number, rate, found):
    """Weight interleaved frames, and return how many steps they complete, whose powers go to `found`.

    `taken` frames came before, in which `number` steps were complete.
    """
    done = count = 0
    while done < len(frames):
        edge = (number + count + 1) * rate // _STEPS_PER_SECOND - taken
        stop = min(edge, len(frames))
        _add_energy(frames[done:stop], filters, memory, sums)
        done = stop
        if done == edge:
            found[count] = 0.0
            for channel in range(len(sums)):
                found[count] += weights[channel] * sums[channel]
                sums[channel] = 0.0
                for i in range(4):
                    if abs(memory[channel, i]) < _TINY:
                        memory[channel, i] = 0.0
            count += 1
    return count


@njit(cache=True, fastmath={"contract"})
@no_type_check
def _add_energy(frames, filters, memory, sums):
    """Weight interleaved frames and add their squares per channel; two channels go side by side.

    A recursion waits for itself; two of them, apart from each other, fill each other's waits. What a filter
    remembers next is told by what it remembers and not by what it gives, which would come later.
    """
    b0, b1, b2, a1, a2 = filters[0, 0], filters[0, 1], filters[0, 2], filters[0, 3], filters[0, 4]
    d0, d1, d2, c1, c2 = filters[1, 0], filters[1, 1], filters[1, 2], filters[1, 3], filters[1, 4]
    b1, b2, d1, d2 = b1 - a1 * b0, b2 - a2 * b0, d1 - c1 * d0, d2 - c2 * d0
    length, channels = frames.shape
    for left in range(0, channels, 2):
        right = min(left + 1, channels - 1)
        s, t, u, v = memory[left, 0], memory[left, 1], memory[left, 2], memory[left, 3]
        p, q, r, w = memory[right, 0], memory[right, 1], memory[right, 2], memory[right, 3]
        sum_left = sum_right = 0.0
        for i in range(length):
            x, z = float(frames[i, left]), float(frames[i, right])
            y, k = b0 * x + s, b0 * z + p
            s, t = (b1 * x + t) - a1 * s, b2 * x - a2 * s
            p, q = (b1 * z + q) - a1 * p, b2 * z - a2 * p
            x, z = d0 * y + u, d0 * k + r
            u, v = (d1 * y + v) - c1 * u, d2 * y - c2 * u
            r, w = (d1 * k + w) - c1 * r, d2 * k - c2 * r
            sum_left += x * x
            sum_right += z * z
        memory[left, 0], memory[left, 1], memory[left, 2], memory[left, 3] = s, t, u, v
        sums[left] += sum_left
        if right != left:
            memory[right, 0], memory[right, 1], memory[right, 2], memory[right, 3] = p, q, r, w
            sums[right] += sum_right
