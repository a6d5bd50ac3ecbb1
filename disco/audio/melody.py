"""The pitch class that leads in each frame: what is kept of a tune when everything else is let go.

MusicGen keeps the strongest of twelve bins of a chromagram for its melody (Copet et al. 2023, section 3.2).
"""

from functools import cache

import numpy as np
from jaxtyping import Float, Int

from disco.audio.clip import Clip

RATE = 16000  # Hz that it listens at
FFT = 2048  # 128 ms: tells semitones apart from C3 on
LOWEST_HZ, HIGHEST_HZ = 100.0, 2500.0  # above, partials of higher classes than the note's own prevail
FLOOR = 1e-4  # of the loudest frame's energy; below it nothing leads
SILENCE = 1e-7  # of full scale
_BELL = 0.5  # semitones


def chromagram(clip: Clip, rate: float) -> Float[np.ndarray, "f 12"]:
    """Return the energy of each pitch class from C on, in frames centred at `(f + 0.5) / rate` seconds."""
    wave = clip.mono().resampled(RATE).wave[0].detach().cpu().numpy()
    frames = max(1, round(clip.seconds * rate))
    centres = np.rint((np.arange(frames) + 0.5) / rate * RATE).astype(np.int64)
    padded = np.pad(wave, (FFT // 2, FFT // 2 + RATE))
    pieces = np.lib.stride_tricks.sliding_window_view(padded, FFT)[np.minimum(centres, len(wave))]
    power = np.abs(np.fft.rfft(pieces * np.hanning(FFT).astype(np.float32))) ** 2
    return (power / FFT**2 @ _bank().T).astype(np.float32)


def leading_classes(clip: Clip, rate: float) -> Int[np.ndarray, " f"]:
    """Return the strongest pitch class of each frame, 0 for C, -1 where hardly anything sounds."""
    energy = chromagram(clip, rate)
    peak = energy.max(1)
    heard = peak > max(FLOOR * float(peak.max()), SILENCE)
    return np.where(heard, energy.argmax(1), -1)


@cache
def _bank() -> Float[np.ndarray, "12 bins"]:
    """Return how much each frequency says about each pitch class: a bell a semitone wide."""
    hz = np.arange(1, FFT // 2 + 1) * RATE / FFT
    pitch = 12 * np.log2(hz / 440.0) + 9  # semitones above a C
    apart = (pitch - np.arange(12)[:, None] + 6) % 12 - 6
    heard = (hz >= LOWEST_HZ) & (hz <= HIGHEST_HZ)
    return np.pad(np.exp(-0.5 * (apart / _BELL) ** 2) * heard, ((0, 0), (1, 0)))
