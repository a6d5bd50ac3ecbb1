"""Watches a raw stream for what is wrong with it: counts and sums in one pass, and a few spectra."""

from __future__ import annotations

from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float
from numba import njit
from scipy.fft import rfft

FULL_SCALE = 0.999  # a sample this large is at the end of the scale, also in formats that round
LOW_RATE = 2000  # Hz, about, of the stream in which mains hum is sought
N_FFT = 2048
_FRAME = 0.02  # seconds of one level
_EVERY = 0.5  # seconds from spectrum to spectrum
_SPECTRA = 2048  # at most: a longer stream keeps every second, every fourth …
_LOW_SECONDS = 1200.0  # hum is there from the beginning, or it is none
_RUN = 3  # neighbouring samples at full scale that are a clipped peak


class Watched(NamedTuple):
    """What was counted. Channels first; energies are sums of squares.

    Attributes:
        clipped: samples in runs of at least three at full scale; runs: how many such runs.
        levels: RMS of all channels per 20 ms.
        crossed: sum of the product of the first two channels, and the energy of their difference.
        low: the mean of the channels at `low_rate`, of the first twenty minutes.
        spectra: power spectra of the first channel, two per second, fewer of more than 17 minutes.
    """

    rate: int
    samples: int
    clipped: int
    runs: int
    sums: Float[np.ndarray, " c"]
    energies: Float[np.ndarray, " c"]
    peak: float
    levels: Float[np.ndarray, " n"]
    crossed: Float[np.ndarray, "2"]
    low: Float[np.ndarray, " t"]
    low_rate: float
    spectra: Float[np.ndarray, "s bins"]


class Watch:
    """Takes a stream in blocks of any size and lets it pass.

    Args:
        rate: Hz; channels: of the stream.
    """

    def __init__(self, *, rate: int, channels: int) -> None:
        self.rate, self.channels = rate, channels
        self.samples = 0
        self.counts = np.zeros(2, np.int64)
        self.run = np.zeros(channels, np.int64)
        self.sums, self.energies = np.zeros(channels), np.zeros(channels)
        self.crossed, self.peak = np.zeros(2), 0.0
        self.thin = max(1, round(rate / LOW_RATE))
        self.frame = self.thin * max(1, round(_FRAME * rate / self.thin))
        self.levels: list[np.ndarray] = []
        self.low: list[np.ndarray] = []
        self.num_low = 0
        self.rest = np.zeros((channels, 0), np.float32)  # less than a frame
        self.window = np.hanning(N_FFT + 1)[:-1].astype(np.float32)
        self.every = max(N_FFT, round(_EVERY * rate))
        self.ahead = np.zeros(0, np.float32)  # of the next spectrum
        self.skip = 0  # samples until the next spectrum begins
        self.spectra: list[np.ndarray] = []

    def push(self, block: Float[np.ndarray, "c t"]) -> None:
        """Take the next samples."""
        if not block.shape[1]:
            return
        self.samples += block.shape[1]
        waiting = self.rest.shape[1]
        whole = (waiting + block.shape[1]) // self.frame * self.frame
        if whole:
            held = np.empty((self.channels, whole), np.float32)
            held[:, :waiting], held[:, waiting:] = self.rest, block[:, : whole - waiting]
            self._count(held, self.frame, self.thin)
            self.rest = block[:, whole - waiting :].copy()
        else:
            self.rest = np.concatenate([self.rest, block], axis=1)
        self._look(block[0])

    def finish(self) -> Watched:
        """Give what was counted."""
        left = self.rest.shape[1]
        if left:
            self._count(self.rest, left, left)
            if len(self.low[-1:]) and len(self.low[-1]) == 1:
                self.low.pop()
            if left < self.frame // 2 and len(self.levels) > 1:
                self.levels.pop()  # too short to say how loud it is
        return Watched(
            rate=self.rate,
            samples=self.samples,
            clipped=int(self.counts[0]),
            runs=int(self.counts[1]),
            sums=self.sums,
            energies=self.energies,
            peak=self.peak,
            levels=np.concatenate(self.levels) if self.levels else np.zeros(1, np.float32),
            crossed=self.crossed,
            low=np.concatenate([np.zeros(0, np.float32), *self.low]),
            low_rate=self.rate / self.thin,
            spectra=np.array(self.spectra, np.float32).reshape(-1, N_FFT // 2 + 1),
        )

    def _count(self, held: Float[np.ndarray, "c t"], frame: int, thin: int) -> None:
        length = held.shape[1]
        levels, low = np.zeros(length // frame, np.float32), np.zeros(length // thin, np.float32)
        highest = _measure(held, frame, thin, levels, low, self.sums, self.energies)
        self.peak = max(self.peak, float(highest.max()))
        for channel in range(self.channels):
            if highest[channel] >= FULL_SCALE:
                self.run[channel] = _count_runs(held[channel], self.run[channel], self.counts)
            else:
                self.run[channel] = 0
        if self.channels > 1:
            _compare(held[0], held[1], self.crossed)
        self.levels.append(levels)
        if self.num_low < _LOW_SECONDS * self.rate / self.thin:
            self.low.append(low)
            self.num_low += len(low)

    def _look(self, samples: np.ndarray) -> None:
        """Take a spectrum where the next one is due, across the bounds of blocks."""
        held = np.concatenate([self.ahead, samples])
        at = self.skip
        while at + N_FFT <= len(held):
            spectrum = np.asarray(rfft(held[at : at + N_FFT] * self.window))
            self.spectra.append(np.abs(spectrum) ** 2)
            if len(self.spectra) == _SPECTRA:
                self.spectra, self.every = self.spectra[::2], 2 * self.every
            at += self.every
        keep = min(at, len(held))
        self.ahead, self.skip = held[keep:].copy(), at - keep


@njit(cache=True, fastmath=True)
@no_type_check
def _measure(
    block: np.ndarray,
    frame: int,
    thin: int,
    levels: np.ndarray,
    low: np.ndarray,
    sums: np.ndarray,
    energies: np.ndarray,
) -> np.ndarray:
    """Level of every `frame` samples and mean of every `thin`; sums, and the peak of every channel."""
    channels = block.shape[0]
    highest = np.zeros(channels, np.float32)
    per_frame, share = frame // thin, np.float32(1.0 / (thin * channels))
    for c in range(channels):
        samples, top, bottom = block[c], np.float32(0.0), np.float32(0.0)
        for f in range(levels.shape[0]):
            total, energy = np.float32(0.0), np.float32(0.0)
            for place in range(f * per_frame, (f + 1) * per_frame):
                part = np.float32(0.0)
                for i in range(place * thin, (place + 1) * thin):
                    x = samples[i]
                    part += x
                    energy += x * x
                    top = x if x > top else top
                    bottom = x if x < bottom else bottom
                low[place] += part * share
                total += part
            levels[f] += energy / np.float32(frame * channels)
            sums[c] += total
            energies[c] += energy
        highest[c] = max(top, -bottom)
    for f in range(levels.shape[0]):
        levels[f] = np.sqrt(levels[f])
    return highest


@njit(cache=True)
@no_type_check
def _count_runs(samples: np.ndarray, run: int, counts: np.ndarray) -> int:
    """Count samples in runs at full scale, and runs; `run` such samples came right before."""
    for x in samples:
        if abs(x) >= FULL_SCALE:
            run += 1
            if run == _RUN:
                counts[1] += 1
                counts[0] += _RUN
            elif run > _RUN:
                counts[0] += 1
        else:
            run = 0
    return run


@njit(cache=True, fastmath=True)
@no_type_check
def _compare(left: np.ndarray, right: np.ndarray, crossed: np.ndarray) -> None:
    """Add the sum of products and the energy of the difference."""
    for first in range(0, len(left), 4096):
        product, difference = np.float32(0.0), np.float32(0.0)
        for i in range(first, min(len(left), first + 4096)):
            product += left[i] * right[i]
            apart = left[i] - right[i]
            difference += apart * apart
        crossed[0] += product
        crossed[1] += difference
