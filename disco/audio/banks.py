"""Filter banks for one transform: mel bands in sparse form, the range of pitches, octave bands."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

NUM_MEL = 128
_LINEAR_HZ, _BEND_HZ, _LOG_STEP = 200.0 / 3, 1000.0, np.log(6.4) / 27.0  # Slaney: linear, then logarithmic
LOWEST_HZ, HIGHEST_HZ = 100.0, 5000.0  # pitches: below, partials lie closer than a frame can tell
_OCTAVES, _FIRST_OCTAVE_HZ, _QUANTILE = 6, 200.0, 0.02  # librosa's spectral contrast


class Bank(NamedTuple):
    """What the kernels of `disco.audio.spectrum` read a spectrum with, in the order in which they take it.

    Attributes:
        edges: the bins between two neighbouring band centres begin at `edges[i]`.
        falling, rising: weight of each bin in the band whose centre lies below and above it.
        pitched: first and last bin that may be a pitch.
        pitches: of each bin in semitones above a C far below; A4 is 440 Hz.
        octaves: first bin, bin behind the last, and how many bins count as peaks and as valleys.
    """

    edges: Int[np.ndarray, " m"]
    falling: Float[np.ndarray, " bins"]
    rising: Float[np.ndarray, " bins"]
    hz_per_bin: float
    pitched: Int[np.ndarray, "2"]
    pitches: Float[np.ndarray, " bins"]
    octaves: Int[np.ndarray, "7 3"]


@cache
def bank(rate: int, n_fft: int) -> Bank:
    """Make the bank for one sampling rate."""
    bins, hz = n_fft // 2 + 1, rate / n_fft
    pitched = np.array([max(1, int(LOWEST_HZ / hz)), min(bins - 1, int(HIGHEST_HZ / hz))])
    pitches = 12 * np.log2(np.maximum(np.arange(bins), 1) * hz / 440.0) + 129.0  # 129 is an A: 9 above a C
    return Bank(*_mel(rate, n_fft), hz, pitched, pitches.astype(np.float32), _octaves(bins, hz))


def mel_frequencies(count: int, highest_hz: float) -> Float[np.ndarray, " m"]:
    """Return so many frequencies at equal distances on Slaney's mel scale, from 0 Hz on, as librosa does.

    Written here because importing librosa costs each worker a second and 60 MB.
    """
    top = highest_hz / _LINEAR_HZ
    if highest_hz > _BEND_HZ:
        top = _BEND_HZ / _LINEAR_HZ + np.log(highest_hz / _BEND_HZ) / _LOG_STEP
    mels = np.linspace(0.0, top, count)
    above = np.maximum(mels - _BEND_HZ / _LINEAR_HZ, 0.0)
    return np.minimum(mels * _LINEAR_HZ, _BEND_HZ) * np.exp(_LOG_STEP * above)


def _mel(rate: int, n_fft: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    centres = mel_frequencies(NUM_MEL + 2, rate / 2)
    places = np.arange(n_fft // 2 + 1) * rate / n_fft
    widths = np.diff(centres)[:, None]
    ramps = centres[:, None] - places[None, :]
    weights = np.maximum(0.0, np.minimum(-ramps[:-2] / widths[:-1], ramps[2:] / widths[1:]))
    weights *= (2.0 / (centres[2:] - centres[:-2]))[:, None]  # each band of the same area
    edges = np.searchsorted(places, centres)
    edges[-1] = len(places)
    gap = np.clip(np.searchsorted(edges, np.arange(len(places)), side="right") - 1, 0, NUM_MEL)
    padded = np.pad(weights, ((1, 1), (0, 0)))
    columns = np.arange(len(places))
    return edges, padded[gap, columns].astype(np.float32), padded[gap + 1, columns].astype(np.float32)


def _octaves(bins: int, hz: float) -> np.ndarray:
    """The bins that librosa sorts for each band; a band that begins above half the rate has none."""
    frequencies = np.arange(bins) * hz
    edges = [0.0, *(_FIRST_OCTAVE_HZ * 2.0**i for i in range(_OCTAVES + 1))]
    rows = []
    for octave in range(_OCTAVES + 1):
        inside = np.flatnonzero((frequencies >= edges[octave]) & (frequencies <= edges[octave + 1]))
        if edges[octave] >= frequencies[-1] or not len(inside):
            rows.append((0, 0, 0))
            continue
        low, high = int(inside[0]), int(inside[-1]) + 1
        low -= octave > 0
        high = bins if octave == _OCTAVES else high
        count = max(1, int(np.rint(_QUANTILE * (high - low))))
        rows.append((low, high if octave == _OCTAVES else high - 1, count))
    return np.array(rows, np.int64)
