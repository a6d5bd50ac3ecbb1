"""The loops behind `disco.audio.spectrum`, compiled on first use and kept on disk."""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit

from disco.audio.fourier import power_spectra
from disco.audio.lanes import SIDE, exceeds, larger, load, root, same, smaller, store

_HEARD = 1e-5  # of a frame's strongest bin: weaker peaks are mostly side lobes
_SEMITONES = np.float32(12 / np.log(2))
_AUDIBLE = 1e-6  # power of a bin; a full-scale tone has about 3e5 at 2048 samples
_MAGNITUDE = np.int32(0x7FFFFFFF)  # of a float32: as whole numbers, magnitudes have the same order
_FLOOR = 1e-10  # of a magnitude, as in librosa's `power_to_db`


@njit(cache=True, fastmath=True)
@no_type_check
def fold(
    frames: np.ndarray, mono: np.ndarray, levels: np.ndarray, begun: np.ndarray, position: int, hop: int
) -> None:
    """Average the channels of interleaved samples into `mono`, and note energy and peak of every hop."""
    length, channels = frames.shape
    flat, begun_bits = frames.reshape(length * channels), begun.view(np.int32)
    share = np.float32(1.0 / channels)
    if channels == 2:
        for i in range(length):
            mono[i] = (flat[2 * i] + flat[2 * i + 1]) * np.float32(0.5)
    else:
        for i in range(length):
            total = np.float32(0.0)
            for c in range(i * channels, (i + 1) * channels):
                total += flat[c]
            mono[i] = total * share
    bits, done = flat.view(np.int32), 0
    while done < length:
        stop = min(length, done + hop - (position + done) % hop)
        energy, highest = np.float32(0.0), np.int32(0)
        for i in range(done * channels, stop * channels):
            energy += flat[i] * flat[i]
            highest = max(highest, np.int32(bits[i] & _MAGNITUDE))
        begun[0] += energy * share
        begun_bits[1] = max(begun_bits[1], highest)
        done = stop
        if (position + done) % hop == 0:
            place = (position + done) // hop - 1
            levels[place, 0] = begun[0]
            levels[place, 1] = begun[1]
            begun[:] = 0.0


@njit(cache=True, fastmath=True)
@no_type_check
def read_frames(  # noqa: PLR0913 - one kernel: what it reads with, and the curves it fills
    samples: np.ndarray,
    hop: int,
    window: np.ndarray,
    turns: np.ndarray,
    order: np.ndarray,
    bends: np.ndarray,
    edges: np.ndarray,
    falling: np.ndarray,
    rising: np.ndarray,
    hz_per_bin: float,
    pitched: np.ndarray,
    pitches: np.ndarray,
    octaves: np.ndarray,
    mel: np.ndarray,
    chroma: np.ndarray,
    contrast: np.ndarray,
    centroid: np.ndarray,
    mean_power: np.ndarray,
    mel_only: bool,  # noqa: FBT001 - kernels take no keywords
) -> None:
    """Transform frames and read everything off their spectra, sixteen frames side by side."""
    bins, low, high = len(mean_power), pitched[0], pitched[1]
    columns = np.empty(len(window) + (SIDE - 1) * hop, np.float32)
    re, im = np.empty((bins - 1) * SIDE, np.float32), np.empty((bins - 1) * SIDE, np.float32)
    power, total = np.empty(bins * SIDE, np.float32), np.zeros(bins * SIDE, np.float32)
    bands = np.empty((mel.shape[1] + 1) * SIDE, np.float32)
    row, peaks = np.empty(bins, np.float32), np.empty((3, bins), np.float32)
    for first in range(0, mel.shape[0], SIDE):
        count = min(SIDE, mel.shape[0] - first)
        power_spectra(samples[first * hop :], hop, count, window, turns, order, bends, columns, re, im, power)
        _mel(power, edges, falling, rising, bands)
        for f in range(count):
            for band in range(mel.shape[1]):
                mel[first + f, band] = bands[(band + 1) * SIDE + f]
        if mel_only:
            continue
        _centroid(power, hz_per_bin, total, centroid[first : first + count, 0])
        for f in range(count):
            for k in range(low - 1, high + 1):
                row[k] = power[k * SIDE + f]
            _chroma(row, pitches, low, high, peaks, chroma[first + f])
        for octave in range(octaves.shape[0]):
            begin, end, extremes = octaves[octave]
            _contrast(power, begin, end, extremes, contrast[first : first + count, octave])
    for k in range(bins):
        for f in range(k * SIDE, (k + 1) * SIDE):
            mean_power[k] += total[f]


@njit(cache=True, fastmath=True)
@no_type_check
def _mel(
    power: np.ndarray, edges: np.ndarray, falling: np.ndarray, rising: np.ndarray, bands: np.ndarray
) -> None:
    """Between two neighbouring band centres a bin belongs to the lower band's fall and the upper's rise.

    The first of `bands` takes what lies below.
    """
    upper = same(np.float32(0.0))
    for band in range(len(edges) - 1):
        lower, upper = upper, same(np.float32(0.0))
        for k in range(edges[band], edges[band + 1]):
            p = load(power, k * SIDE)
            lower = lower + p * same(falling[k])
            upper = upper + p * same(rising[k])
        store(bands, band * SIDE, lower)


@njit(cache=True, fastmath=True)
@no_type_check
def _centroid(power: np.ndarray, hz_per_bin: float, total: np.ndarray, out: np.ndarray) -> None:
    """Find the centre of the magnitudes of every frame, and add its power to the `total`."""
    weight = moment = same(np.float32(0.0))
    for k in range(len(power) // SIDE):
        p = load(power, k * SIDE)
        magnitude = root(p)
        weight = weight + magnitude
        moment = moment + magnitude * same(np.float32(k))
        store(total, k * SIDE, load(total, k * SIDE) + p)
    sums = np.empty(2 * SIDE, np.float32)
    store(sums, 0, weight)
    store(sums, SIDE, moment)
    for f in range(len(out)):
        out[f] = hz_per_bin * sums[SIDE + f] / sums[f] if sums[f] > 0 else np.float32(0.0)


@njit(cache=True, fastmath=True)
@no_type_check
def _chroma(
    power: np.ndarray, pitches: np.ndarray, low: int, high: int, peaks: np.ndarray, out: np.ndarray
) -> None:
    """Give the magnitude of every spectral peak to its pitch class, placed between bins (Grandke 1983)."""
    out[:] = np.float32(0.0)
    highest = np.float32(_AUDIBLE / _HEARD)
    for k in range(low, high):
        highest = max(highest, power[k])
    least = highest * np.float32(_HEARD)
    count = 0
    for k in range(low, high):  # without a branch: whether a bin is a peak cannot be foretold
        p, before, after = power[k], power[k - 1], power[k + 1]
        upward = after > before
        peaks[0, count] = p
        peaks[1, count] = after if upward else -before
        peaks[2, count] = np.float32(k)
        count += (p > least) & (p > before) & (p >= after)
    for i in range(count):
        p, beside, k = peaks[0, i], peaks[1, i], peaks[2, i]
        ratio = np.sqrt(abs(beside) / p)
        part = (ratio + ratio - np.float32(1.0)) / ((ratio + np.float32(1.0)) * k)
        part = part if beside > 0 else -part
        peaks[0, i] = np.sqrt(p)
        peaks[1, i] = _SEMITONES * part * (np.float32(1.0) - np.float32(0.5) * part)  # log(1 + part)
    for i in range(count):
        pitch = pitches[int(peaks[2, i])] + peaks[1, i]
        below = int(pitch)
        between = pitch - np.float32(below)
        out[below % 12] += peaks[0, i] * (np.float32(1.0) - between)
        out[(below + 1) % 12] += peaks[0, i] * between
    strongest = out.max()
    if strongest > 0:
        for pitch_class in range(12):
            out[pitch_class] /= strongest


@njit(cache=True, fastmath=True)
@no_type_check
def _contrast(power: np.ndarray, low: int, high: int, count: int, out: np.ndarray) -> None:
    """Compare the mean of the `count` largest and smallest magnitudes, in decibels as librosa does.

    Music falls towards high frequencies: looked for from the end where they are, extremes are soon found,
    and most bins are passed over.
    """
    if count < 1:
        out[:] = np.float32(0.0)
        return
    large, small = np.zeros(count * SIDE, np.float32), np.zeros(count * SIDE, np.float32)
    small[:] = np.float32(1e30)
    last = (count - 1) * SIDE
    for k in range(low, high):
        x = load(power, k * SIDE)
        if exceeds(x, load(large, last)):
            x = larger(x, load(large, last))
            for j in range(last, 0, -SIDE):
                above = load(large, j - SIDE)
                store(large, j, smaller(x, above))
                x = larger(x, above)
            store(large, 0, x)
    for k in range(high - 1, low - 1, -1):
        x = load(power, k * SIDE)
        if exceeds(load(small, last), x):
            x = smaller(x, load(small, last))
            for j in range(last, 0, -SIDE):
                above = load(small, j - SIDE)
                store(small, j, larger(x, above))
                x = smaller(x, above)
            store(small, 0, x)
    peak = valley = same(np.float32(0.0))
    for j in range(0, count * SIDE, SIDE):
        peak, valley = peak + root(load(large, j)), valley + root(load(small, j))
    store(large, 0, peak)
    store(small, 0, valley)
    floor = np.float32(_FLOOR * count)
    for f in range(len(out)):
        out[f] = np.float32(10.0) * np.log10(max(large[f], floor) / max(small[f], floor))
