"""Tempo, beats and bar lines from onset strength."""

from __future__ import annotations

from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Float
from numba import njit
from scipy.fft import irfft, next_fast_len, rfft

from disco.audio.onset import above_local_mean

SLOWEST, FASTEST = 40.0, 220.0  # beats per minute
_USUAL, _SPREAD = 120.0, 1.0  # where people tap, and how many octaves around (van Noorden and Moelants 1999)
_WINDOW = 16.0  # seconds of one autocorrelation; a tempo may drift from one to the next
_TEETH = np.array([1.0, 0.5, 1 / 3, 0.25])  # weight of one to four beats of a period
_AS_STRONG = 0.9  # half a period that is nearly as regular as the period is the beat
_RIVAL = 0.8  # of the score: half or twice the tempo could be meant as well
_CLEAR_DB = 0.25  # how much onset strength varies where sounds begin; the beats of a held chord stay below
_TIGHTNESS = 400.0  # how much a beat that comes early or late costs
_SHARPNESS = 0.02  # seconds: how far an onset reaches


@dataclass(frozen=True)
class Tempo:
    """How fast the beat goes.

    Attributes:
        bpm: beats per minute, 0 where there are no onsets.
        confidence: 0 for noise or held chords, 1 for a metronome.
        ambiguous: half or twice the tempo explains the onsets nearly as well.
    """

    bpm: float
    confidence: float
    ambiguous: bool


@dataclass(frozen=True)
class Bars:
    """Where bars begin.

    Attributes:
        lines: seconds. metre: beats in a bar, 3 or 4. confidence: 0 to 1.
    """

    lines: Float[np.ndarray, " n"]
    metre: int
    confidence: float


def find_tempo(onset: Float[np.ndarray, " f"], rate: float) -> Tempo:
    """Find the period at which onsets return, favouring tempos that people tap.

    The autocorrelation at one to four periods is summed, over windows of 16 s, so that the tempo may
    drift. Confidence is how much of the onsets' energy returns after the period, less where hardly
    anything begins.

    Args:
        onset: strength per frame.
        rate: frames per second.
    """
    strength = _smooth(above_local_mean(onset, rate), rate)
    correlation = _autocorrelation(strength, rate)
    if correlation[0] <= 0 or len(correlation) < 4 * rate * 60 / FASTEST:
        return Tempo(bpm=0.0, confidence=0.0, ambiguous=False)
    correlation = correlation / correlation[0]
    bpms = np.geomspace(SLOWEST, FASTEST, 600)
    combed = _comb(correlation, bpms, rate)
    scores = combed * np.exp(-0.5 * (np.log2(bpms / _USUAL) / _SPREAD) ** 2)
    bpm = float(bpms[scores.argmax()])
    while 2 * bpm <= FASTEST and _at(correlation, bpm * 2, rate) > _AS_STRONG * _at(correlation, bpm, rate):
        bpm *= 2
    bpm = _refined(correlation, bpm, rate)
    score = float(np.interp(bpm, bpms, scores))
    rivals = [
        float(np.interp(other, bpms, scores)) for other in (bpm / 2, bpm * 2) if SLOWEST < other < FASTEST
    ]
    regular = max(0.0, float(np.interp(bpm, bpms, combed)))
    clear = min(1.0, float(strength.std()) / _CLEAR_DB)
    return Tempo(bpm, float(min(1.0, regular)) * clear, any(rival > _RIVAL * score for rival in rivals))


def find_beats(onset: Float[np.ndarray, " f"], rate: float, bpm: float) -> Float[np.ndarray, " n"]:
    """Place beats, in seconds, on onsets while keeping their distance (dynamic programming, Ellis 2007).

    Args:
        onset: strength per frame.
        rate: frames per second.
        bpm: about how fast; single beats may deviate by half.
    """
    if bpm <= 0 or len(onset) < 2:
        return np.zeros(0, np.float64)
    strength = _smooth(above_local_mean(onset, rate), rate)
    frames = _track(strength.astype(np.float64), 60.0 * rate / bpm, _TIGHTNESS)
    return _between_frames(strength, frames) / rate


def find_bars(
    beats: Float[np.ndarray, " n"], accents: Float[np.ndarray, "n a"], metres: tuple[int, ...] = (4, 3)
) -> Bars:
    """Find metre and phase at which the accents of beats return.

    Each column is one kind of accent (loudness, bass, change of harmony …) and counts alike. The
    first metre of `metres` is preferred where another is hardly better. Confidence is how far the
    accents of first beats stand above the others.
    """
    if len(beats) < 2 * max(metres):
        return Bars(np.zeros(0), metres[0], 0.0)
    spread = accents.std(0)
    score = ((accents - accents.mean(0)) / np.where(spread > 1e-9, spread, np.inf)).mean(1)
    best = (-np.inf, metres[0], 0, 0.0)
    deviation = float(score.std()) or 1.0
    for rank, metre in enumerate(metres):
        for phase in range(metre):
            first = np.arange(len(beats)) % metre == phase
            apart = float(score[first].mean() - score[~first].mean()) / deviation
            certain = apart / np.sqrt(1 / first.sum() + 1 / (~first).sum())
            certain *= 1.0 if rank == 0 else 0.9
            if certain > best[0]:
                best = (certain, metre, phase, apart)
    _, metre, phase, apart = best
    return Bars(beats[phase::metre].astype(np.float64), metre, float(np.clip(apart / 2, 0.0, 1.0)))


def _smooth(strength: np.ndarray, rate: float) -> np.ndarray:
    """Let an onset reach as far as its place is uncertain."""
    reach = max(1, round(3 * _SHARPNESS * rate))
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (_SHARPNESS * rate)) ** 2)
    return np.convolve(strength, bell / bell.sum())[reach : reach + len(strength)]


def _autocorrelation(strength: np.ndarray, rate: float) -> np.ndarray:
    """Average over windows, every lag by how many frames it compares."""
    size = min(len(strength), round(_WINDOW * rate))
    lags = min(size - 1, round(4 * 60 / SLOWEST * rate) + 2)
    if lags < 2:
        return np.zeros(1)
    total = np.zeros(lags)
    fft = next_fast_len(size + lags, real=True)
    for first in range(0, len(strength) - size + 1, max(1, size // 2)):
        window = strength[first : first + size].astype(np.float64)
        window = window - window.mean()
        power = np.abs(np.asarray(rfft(window, fft))) ** 2
        total += np.asarray(irfft(power, fft))[:lags]
    return total / (size - np.arange(lags)) * size


def _comb(correlation: np.ndarray, bpms: np.ndarray, rate: float) -> np.ndarray:
    """Average the correlation at one to four periods, as far as it is known."""
    lags = 60.0 * rate / bpms[:, None] * np.arange(1, 5)
    known = lags < 0.75 * len(correlation)
    values = np.interp(lags, np.arange(len(correlation)), correlation) * known
    weights = _TEETH * known
    return (values * weights).sum(1) / np.maximum(weights.sum(1), 1e-9)


def _at(correlation: np.ndarray, bpm: float, rate: float) -> float:
    return float(np.interp(60.0 * rate / bpm, np.arange(len(correlation)), correlation))


def _refined(correlation: np.ndarray, bpm: float, rate: float) -> float:
    """Look closely around the period; four periods tell it four times as finely."""
    near = bpm * np.geomspace(0.97, 1.03, 121)
    return float(near[_comb(correlation, near, rate).argmax()])


def _between_frames(strength: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Move each beat to the top of the parabola through its frame and the neighbours."""
    inner = np.clip(frames, 1, len(strength) - 2)
    left, middle, right = strength[inner - 1], strength[inner], strength[inner + 1]
    bend = left - 2 * middle + right
    shift = np.where(bend < -1e-9, 0.5 * (left - right) / np.where(bend < -1e-9, bend, -1.0), 0.0)
    return (frames + np.clip(shift, -0.5, 0.5) * (inner == frames)).astype(np.float64)


@njit(cache=True)
@no_type_check
def _track(strength: np.ndarray, period: float, tightness: float) -> np.ndarray:
    """Choose beats of the highest sum of strengths less the cost of uneven distances."""
    frames = len(strength)
    total, before = np.zeros(frames), np.full(frames, -1)
    nearest, farthest = max(1, round(period / 2)), round(2 * period)
    cost = np.zeros(farthest + 1)
    for gap in range(nearest, farthest + 1):
        cost[gap] = tightness * np.log(gap / period) ** 2
    scale = strength.max()
    if scale <= 0:
        return np.zeros(0, np.int64)
    for i in range(frames):
        best, place = 0.0, -1
        for gap in range(nearest, min(farthest, i) + 1):
            value = total[i - gap] - cost[gap]
            if value > best:
                best, place = value, i - gap
        total[i] = strength[i] / scale * 10.0 + best
        before[i] = place
    last = frames - 1
    for i in range(max(0, frames - farthest), frames):
        if total[i] > total[last]:
            last = i
    count, i = 0, last
    while i >= 0:
        count += 1
        i = before[i]
    beats = np.empty(count, np.int64)
    i = last
    for place in range(count - 1, -1, -1):
        beats[place] = i
        i = before[i]
    return beats
