"""The loops behind `disco.audio.spectrum`, compiled on first use and kept on disk."""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit

_HEARD = 1e-5  # of a frame's strongest bin: weaker peaks are mostly side lobes
_SEMITONES = np.float32(12 / np.log(2))
_AUDIBLE = 1e-6  # power of a bin; a full-scale tone has about 3e5 at 2048 samples
_FLOOR = 1e-10  # of a magnitude, as in librosa's `power_to_db`
_SIDE = 16  # frames side by side


@njit(cache=True, fastmath=True)
@no_type_check
def cut_frames(samples: np.ndarray, window: np.ndarray, hop: int, out: np.ndarray) -> None:
    """Cut frames out and weigh them."""
    for f in range(out.shape[0]):
        for i in range(out.shape[1]):
            out[f, i] = samples[f * hop + i] * window[i]


@njit(cache=True, fastmath=True)
@no_type_check
def fold(
    frames: np.ndarray, mono: np.ndarray, levels: np.ndarray, begun: np.ndarray, position: int, hop: int
) -> None:
    """Average the channels of interleaved samples into `mono`, and note energy and peak of every hop."""
    length, channels = frames.shape
    flat = frames.reshape(length * channels)
    share = np.float32(1.0 / channels)
    if channels == 2:
        for i in range(length):
            mono[i] = (flat[2 * i] + flat[2 * i + 1]) * np.float32(0.5)
    else:
        for i in range(length):
            total = np.float32(0.0)
            for x in flat[i * channels : (i + 1) * channels]:
                total += x
            mono[i] = total * share
    done = 0
    while done < length:
        stop = min(length, done + hop - (position + done) % hop)
        energy, low, high = np.float32(0.0), np.float32(0.0), np.float32(0.0)
        for x in flat[done * channels : stop * channels]:
            energy += x * x
            low = min(low, x)
            high = max(high, x)
        begun[0] += energy * share
        begun[1] = max(begun[1], max(high, -low))
        done = stop
        if (position + done) % hop == 0:
            place = (position + done) // hop - 1
            levels[place, 0] = begun[0]
            levels[place, 1] = begun[1]
            begun[:] = 0.0


@njit(cache=True, fastmath=True)
@no_type_check
def read_spectra(  # noqa: C901, PLR0913 - one kernel: what it reads with, and the curves it fills
    spectra: np.ndarray,
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
    """Read everything off a block of spectra, real and imaginary parts side by side.

    Sixteen frames are turned so that they lie side by side: bands are then sums over bins of sixteen
    frames at once, which is what wide instructions do.
    """
    bins = spectra.shape[1] // 2
    power = np.empty((_SIDE, bins), np.float32)
    turned = np.zeros((bins, _SIDE), np.float32)
    bands = np.empty((mel.shape[1] + 2, _SIDE), np.float32)
    total = np.zeros(bins, np.float32)
    peaks = np.empty((3, bins), np.float32)
    for first in range(0, spectra.shape[0], _SIDE):
        count = min(_SIDE, spectra.shape[0] - first)
        for f in range(count):
            row, parts = power[f], spectra[first + f]
            for k in range(bins):
                row[k] = parts[2 * k] * parts[2 * k] + parts[2 * k + 1] * parts[2 * k + 1]
            if not mel_only:
                weight, moment = np.float32(0.0), np.float32(0.0)
                for k in range(bins):
                    total[k] += row[k]
                    magnitude = np.sqrt(row[k])
                    weight += magnitude
                    moment += magnitude * np.float32(k)
                centroid[first + f, 0] = hz_per_bin * moment / weight if weight > 0 else np.float32(0.0)
                _chroma(row, pitches, pitched[0], pitched[1], peaks, chroma[first + f])
        for low in range(0, bins, _SIDE):
            for f in range(count):
                for k in range(low, min(bins, low + _SIDE)):
                    turned[k, f] = power[f, k]
        _mel(turned, edges, falling, rising, bands)
        for f in range(count):
            for band in range(mel.shape[1]):
                mel[first + f, band] = bands[band + 1, f]
        if not mel_only:
            for octave in range(octaves.shape[0]):
                low, high, extremes = octaves[octave]
                _contrast(turned, low, high, extremes, contrast[first : first + count, octave])
    for k in range(bins):
        mean_power[k] += total[k]


@njit(cache=True, fastmath=True)
@no_type_check
def _mel(
    turned: np.ndarray, edges: np.ndarray, falling: np.ndarray, rising: np.ndarray, bands: np.ndarray
) -> None:
    """Between two neighbouring band centres a bin belongs to the lower band's fall and the upper's rise.

    The first and last row of `bands` take what lies outside.
    """
    bands[:] = np.float32(0.0)
    for band in range(bands.shape[0] - 1):
        lower, upper = bands[band], bands[band + 1]
        for k in range(edges[band], edges[band + 1]):
            row, fall, rise = turned[k], falling[k], rising[k]
            for f in range(_SIDE):
                lower[f] += fall * row[f]
                upper[f] += rise * row[f]


@njit(cache=True, fastmath=True)
@no_type_check
def _chroma(
    power: np.ndarray, pitches: np.ndarray, low: int, high: int, peaks: np.ndarray, out: np.ndarray
) -> None:
    """Give the magnitude of every spectral peak to its pitch class, placed between bins (Grandke 1983)."""
    out[:] = np.float32(0.0)
    highest = np.float32(_AUDIBLE / _HEARD)
    for p in power[low:high]:
        highest = max(highest, p)
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
def _contrast(turned: np.ndarray, low: int, high: int, count: int, out: np.ndarray) -> None:
    """Compare the mean of the `count` largest and smallest magnitudes, in decibels as librosa does.

    Music falls towards high frequencies: looked for from the end where they are, extremes are soon found,
    and most bins are passed over.
    """
    if count < 1:
        out[:] = np.float32(0.0)
        return
    large, small = np.empty((count, _SIDE), np.float32), np.empty((count, _SIDE), np.float32)
    large[:], small[:] = np.float32(-1.0), np.float32(-1e30)
    for k in range(low, high):
        _rise(large, turned[k], np.float32(1.0))
    for k in range(high - 1, low - 1, -1):
        _rise(small, turned[k], np.float32(-1.0))
    for f in range(out.shape[0]):
        peak, valley = np.float32(0.0), np.float32(0.0)
        for j in range(count):
            peak += np.sqrt(large[j, f])
            valley += np.sqrt(-small[j, f])
        floor = np.float32(_FLOOR * count)
        out[f] = np.float32(10.0) * np.log10(max(peak, floor) / max(valley, floor))


@njit(cache=True, fastmath=True)
@no_type_check
def _rise(ordered: np.ndarray, row: np.ndarray, sign: float) -> None:
    """Let the values of a row, times `sign`, rise to their places in columns that fall from the top."""
    last = ordered[ordered.shape[0] - 1]
    above = np.float32(-1.0)
    for f in range(_SIDE):
        above = max(above, sign * row[f] - last[f])
    if above <= 0:
        return
    for f in range(_SIDE):
        x = sign * row[f]
        j = ordered.shape[0] - 1
        if x > ordered[j, f]:
            while j > 0 and ordered[j - 1, f] < x:
                ordered[j, f] = ordered[j - 1, f]
                j -= 1
            ordered[j, f] = x
