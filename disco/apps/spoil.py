"""Ways to spoil a recording on purpose: a measure of quality must hear each of them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np
import torch
from jaxtyping import Float

from disco.audio.clip import Clip
from disco.core.ranges import PositiveFloat


class Spoil(ABC):
    """A fault of a recording; the same generator gives the same fault."""

    def __call__(self, clip: Clip, generator: torch.Generator) -> Clip:
        """Return the spoilt recording, turned down as a whole where it would pass full scale."""
        wave = self.change(clip.wave.numpy(), clip.rate, generator)
        return Clip(torch.from_numpy(wave.astype(np.float32)), clip.rate).within_full_scale()

    @abstractmethod
    def change(
        self, wave: Float[np.ndarray, "c t"], rate: int, generator: torch.Generator
    ) -> Float[np.ndarray, "c t"]:
        """Return the spoilt wave, as long as it was."""


class Noise(Spoil):
    """Adds white noise.

    Args:
        ratio_db: level of the music over that of the noise.
    """

    def __init__(self, *, ratio_db: float) -> None:
        self.ratio_db = ratio_db

    def change(
        self, wave: Float[np.ndarray, "c t"], rate: int, generator: torch.Generator
    ) -> Float[np.ndarray, "c t"]:
        """Return the wave with noise of its own level less the ratio."""
        level = math.sqrt(float(np.square(wave, dtype=np.float64).mean())) * 10 ** (-self.ratio_db / 20)
        return wave + level * torch.randn(wave.shape, generator=generator).numpy()


class LowPass(Spoil):
    """Takes the treble away, as a wall between the music and the ear does.

    Args:
        hertz: the frequency where half the power is left; above it 24 dB fewer per octave.
    """

    def __init__(self, *, hertz: PositiveFloat) -> None:
        self.hertz = hertz

    def change(
        self, wave: Float[np.ndarray, "c t"], rate: int, generator: torch.Generator
    ) -> Float[np.ndarray, "c t"]:
        """Return the filtered wave; one whose rate holds no such frequency stays as it is."""
        from scipy.signal import butter, sosfilt  # half a second

        if self.hertz >= rate / 2:
            return wave
        return np.asarray(sosfilt(butter(4, self.hertz, fs=rate, output="sos"), wave, axis=-1))


class Wow(Spoil):
    """Lets pitch waver, as a record does whose hole is not in its middle.

    Args:
        cents: the most that pitch leaves its place, up and down.
        hertz: how often it does.
    """

    def __init__(self, *, cents: PositiveFloat, hertz: PositiveFloat) -> None:
        self.cents = cents
        self.hertz = hertz

    def change(
        self, wave: Float[np.ndarray, "c t"], rate: int, generator: torch.Generator
    ) -> Float[np.ndarray, "c t"]:
        """Return the wave read at a speed that swings."""
        turn = 2 * math.pi * self.hertz
        reach = (2 ** (self.cents / 1200) - 1) / turn  # seconds: the speed is 1 + reach * turn * cos
        begin = 2 * math.pi * float(torch.rand((), generator=generator))
        time = np.arange(wave.shape[1])
        place = time + rate * reach * np.sin(turn * time / rate + begin)
        return np.stack([np.interp(place, time, channel) for channel in wave])
