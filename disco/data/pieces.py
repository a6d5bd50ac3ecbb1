"""The sound of a record, or of a part of it: cut out of its file, with its gain and its fades."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from disco.audio.edges import fades
from disco.audio.io import read_clip
from disco.audio.mapped import MappedWav, open_mapped
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
    out = np.empty((channels, max(0, round(min(seconds, record.duration - start) * rate))), np.float32)
    count = fill_piece(out, root, record, start=start, seconds=seconds, rate=rate)
    return torch.from_numpy(np.ascontiguousarray(out[:, :count]))


def fill_piece(
    out: Float[np.ndarray, "c t"], root: Path, record: Record, *, start: float, seconds: float, rate: int
) -> int:
    """Write what `read_piece` returns into `out`, as far as there is room, and return how many samples."""
    path = os.path.join(root, record.file_path)  # noqa: PTH118  pathlib takes as long as a tenth of the sound
    seconds = min(seconds, record.duration - start)
    out = out[:, : max(0, round(seconds * rate))]
    wave = _mapped(path, rate, len(out))
    if wave is not None:
        count = _cut(wave, out, round((record.start + start) * rate), record.gain_db)
    else:
        clip = read_clip(path, start=record.start + start, seconds=seconds, rate=rate, channels=len(out))
        sound = clip.wave.numpy()[:, : out.shape[1]]
        count = sound.shape[1]
        np.multiply(sound, np.float32(10.0 ** (record.gain_db / 20.0)), out=out[:, :count])
    for part, rise in fades(
        count,
        rate,
        fade_seconds=record.fade_seconds,
        offset=round(start * rate),
        whole=round(record.duration * rate),
    ):
        out[:, part] *= rise
    return count


def _mapped(path: str, rate: int, channels: int) -> MappedWav | None:
    """Return the file as the system has mapped it, if what is asked for can be cut out of it."""
    wave = open_mapped(path) if path.endswith(".wav") and os.path.isfile(path) else None  # noqa: PTH113
    if wave is None or wave.rate != rate:
        return None
    return wave if channels == wave.channels or 1 in (channels, wave.channels) else None


def _cut(wave: MappedWav, out: Float[np.ndarray, "c t"], first: int, gain_db: float) -> int:
    if len(out) == wave.channels:
        return wave.fill(out, first, gain_db=gain_db)
    if wave.channels == 1:
        count = wave.fill(out[:1], first, gain_db=gain_db)
        out[1:, :count] = out[0, :count]
        return count
    mean = wave.read(first, out.shape[1]).mean(0)
    np.multiply(mean, np.float32(10.0 ** (gain_db / 20.0)), out=out[0, : len(mean)])
    return len(mean)
