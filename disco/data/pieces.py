"""The sound of a record, or of a part of it: cut out of its file, with its gain and its fades."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from disco.audio.edges import cut_out
from disco.audio.io import read_clip
from disco.audio.mapped import open_mapped
from disco.core.record import Record


def read_piece(
    root: Path, record: Record, *, start: float, seconds: float, rate: int, channels: int
) -> Float[Tensor, "c t"]:
    """Return up to `seconds` of a record from its second `start` on, as it is to be heard.

    A WAV file of the asked rate is read where the system has mapped it; others are decoded and
    converted.

    Raises:
        DiscoError: the file cannot be read, or its channels cannot be converted.
    """
    path = root / record.file_path
    seconds = min(seconds, record.duration - start)
    sound = _from_map(path, record.start + start, seconds, rate, channels)
    if sound is None:
        clip = read_clip(path, start=record.start + start, seconds=seconds, rate=rate, channels=channels)
        sound = clip.wave.numpy()
    heard = cut_out(
        sound,
        rate,
        gain_db=record.gain_db,
        fade_seconds=record.fade_seconds,
        offset=round(start * rate),
        whole=round(record.duration * rate),
    )
    return torch.from_numpy(heard)


def _from_map(
    path: Path, start: float, seconds: float, rate: int, channels: int
) -> Float[np.ndarray, "c t"] | None:
    wave = open_mapped(path) if path.suffix == ".wav" and path.is_file() else None
    if (
        wave is None
        or wave.rate != rate
        or (channels != wave.channels and 1 not in (channels, wave.channels))
    ):
        return None
    first = round(start * rate)
    sound = wave.read(first, round(seconds * rate))
    if channels < wave.channels:
        return sound.mean(0, keepdims=True)
    return sound if channels == wave.channels else sound.repeat(channels, axis=0)
