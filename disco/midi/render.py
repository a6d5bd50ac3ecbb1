"""Let a score sound: General MIDI instruments from a soundfont, the same samples every time."""

import torch

from disco.audio.clip import Clip
from disco.midi.score import Score
from disco.midi.soundfont import synthesise


def render(
    score: Score, rate: int = 32000, channels: int = 1, *, tail: float = 1.0, peak: float | None = 0.7
) -> Clip:
    """Play a score on the soundfont that comes with pretty_midi (TimGM6mb).

    Score time 0 is the first sample, so beats keep their places in the clip.

    Args:
        score: any number of tracks; drums on theirs.
        rate: Hz of the clip.
        channels: 1 (the mean of left and right) or 2.
        tail: seconds to ring on after the last note ends.
        peak: the loudest sample is brought to this (0.7 is 3 dB of headroom, so nothing clips);
            None keeps the synthesiser's own level, at which single notes are soft (about 0.1).

    Raises:
        DiscoError: the score has no notes, or a package is missing.
    """
    wave = synthesise(score, rate, channels, tail=tail, peak=peak)
    return Clip(torch.from_numpy(wave), rate)
