"""Brings every file to one rate, one channel count and one bit depth."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float

from disco.audio.convert import Mixer, Quality, Resampler
from disco.core.ranges import NaturalFloat, PositiveInt
from disco.core.stage import Notes, Problem, Stage, Tap


class Standardize(Stage):
    """Resamples, mixes down, and says with how many bits the result is stored.

    Rounding comes last: who writes the file adds dither (`disco.audio.dither`), so that the stages after
    this one see what the file held.

    Args:
        rate: Hz of what is stored, null for the file's own.
        channels: 1 or 2, null for the file's own; `disco.audio.convert.downmix` has the rule.
        bits: of a stored sample.
        quality: `HQ`, or `VHQ` for 28 bits of precision.
        min_seconds: shorter files are refused as `too_short`; loudness is defined from 0.4 s on.
    """

    def __init__(
        self,
        *,
        rate: PositiveInt | None,
        channels: Literal[1, 2] | None,
        bits: Literal[16, 24],
        quality: Quality,
        min_seconds: NaturalFloat,
    ) -> None:
        self.rate = rate
        self.channels: Literal[1, 2] | None = channels
        self.bits: Literal[16, 24] = bits
        self.quality: Quality = quality
        self.min_seconds = min_seconds

    def open(self, notes: Notes) -> Tap:
        """Begin to convert; the stages after this one see the new rate and channels."""
        tap = _Convert(notes, self)
        notes.rate, notes.channels, notes.bits = tap.resampler.to_rate, tap.channels, self.bits
        return tap

    def check_length(self, notes: Notes, seconds: float) -> None:
        """Refuse a file that is too short."""
        if seconds < self.min_seconds - 1e-6:
            reason = f"it lasts {seconds:.3f} s, less than {self.min_seconds:g} s"
            cure = "leave it out or lower stage.standardize.min_seconds"
            notes.problems.append(Problem("too_short", reason, cure, "refuse"))


class _Convert:
    """Mixes first where that leaves fewer channels to resample, and last where it leaves more."""

    def __init__(self, notes: Notes, stage: Standardize) -> None:
        self.notes, self.stage = notes, stage
        self.seconds = 0.0
        self.from_rate = notes.rate
        self.channels = stage.channels or notes.channels
        self.mixer = Mixer(from_channels=notes.channels, to_channels=self.channels)
        self.mix_first = self.channels <= notes.channels
        self.resampler = Resampler(
            from_rate=notes.rate,
            to_rate=stage.rate or notes.rate,
            channels=min(self.channels, notes.channels),
            quality=stage.quality,
        )

    def push(self, block: Float[np.ndarray, "c t"]) -> Float[np.ndarray, "c2 t2"]:
        self.seconds += block.shape[1] / self.from_rate
        if self.mix_first:
            return self.resampler.push(self.mixer.push(block))
        return self.mixer.push(self.resampler.push(block))

    def flush(self) -> Float[np.ndarray, "c2 t2"]:
        self.stage.check_length(self.notes, self.seconds)
        rest = self.resampler.flush()
        return rest if self.mix_first else self.mixer.push(rest)
