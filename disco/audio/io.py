"""Clips from files and into files: WAV, FLAC, OGG and MP3."""

from os import PathLike
from pathlib import Path

import torch

from disco.audio.clip import Clip
from disco.audio.resample import resample
from disco.audio.wavefile import read_wave, write_wave
from disco.errors import DiscoError


def read_clip(
    path: str | PathLike[str],
    *,
    start: float = 0.0,
    seconds: float | None = None,
    rate: int | None = None,
    channels: int | None = None,
) -> Clip:
    """Read `seconds` of sound from `start` on, in the asked rate and channel count.

    Without `seconds`, `rate` or `channels` the file's own are kept. One channel is the mean of all,
    several are copies of one; other conversions are refused. The clip is shorter than `seconds` where
    the file ends earlier.

    Raises:
        DiscoError: the file is no regular readable audio file with finite samples, has no sound
            from `start` on, or its channels cannot be converted.
    """
    wave, file_rate = read_wave(Path(path), start=start, seconds=seconds)
    if channels is not None and channels != wave.shape[0]:
        if channels == 1:
            wave = wave.mean(0, keepdims=True)
        elif wave.shape[0] == 1:
            wave = wave.repeat(channels, axis=0)
        else:
            raise DiscoError(
                f"{path} has {wave.shape[0]} channels, which cannot become {channels}",
                do="ask for channels=1 or mix the file down first",
            )
    if rate is not None:
        wave = resample(wave, file_rate, rate)
    return Clip(torch.from_numpy(wave), rate or file_rate)


def write_clip(
    path: str | PathLike[str], clip: Clip, *, allow_clipping: bool = False, comment: str | None = None
) -> int:
    """Write the clip, whole or not at all, and return how many samples were cut to full scale.

    The suffix picks the format: `.wav` and `.flac` with 16 bits, `.ogg`, `.mp3`. Folders on the way
    are made. `comment` stands in the file's metadata.

    Raises:
        DiscoError: an unknown suffix, an empty clip, samples that are not finite, or samples beyond
            full scale while `allow_clipping` is off.
    """
    wave = clip.wave.detach().cpu().float().numpy()
    return write_wave(Path(path), wave, clip.rate, allow_clipping=allow_clipping, comment=comment)
