"""WAV files of 16 or 24 bits as the system maps them: cutting out costs no more than copying."""

from __future__ import annotations

import os
import struct
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float
from numba import njit

from disco.audio.pcm import Bits


class MappedWav:
    """One such file; what is cut out of it is float32 at full scale ±1.

    Attributes:
        rate: Hz; channels; frames: of the file.
    """

    def __init__(self, path: str, *, rate: int, channels: int, bits: Bits, first: int, size: int) -> None:
        self.rate = rate
        self.channels = channels
        self.bits: Bits = bits
        self.frames = size // (channels * bits // 8)
        shape = (self.frames, channels) if bits == 16 else (self.frames, channels, 3)
        kind = "<i2" if bits == 16 else np.uint8
        self._steps = np.asarray(np.memmap(path, dtype=kind, mode="r", offset=first, shape=shape))

    def read(self, first: int, count: int) -> Float[np.ndarray, "c t"]:
        """Return up to `count` frames from `first` on."""
        found = np.empty((self.channels, max(0, min(count, self.frames - first))), np.float32)
        self.fill(found, first)
        return found

    def fill(self, out: Float[np.ndarray, "c t"], first: int, *, gain_db: float = 0.0) -> int:
        """Write the frames from `first` on into `out`, as many as there are, and return their number."""
        steps = self._steps[first : first + out.shape[1]]
        if self.bits == 24:
            wide = np.zeros((*steps.shape[:2], 4), np.uint8)
            wide[..., 1:] = steps  # in the upper bytes, where the sign is
            steps = wide.view("<i4")[..., 0]
        scale = np.float32(10.0 ** (gain_db / 20.0)) * np.float32(2.0**-15 if self.bits == 16 else 2.0**-31)
        if self.channels == 2:
            _spread_pairs(steps, scale, out[0], out[1])
        else:
            for channel, row in enumerate(out):
                np.multiply(steps[:, channel], scale, out=row[: len(steps)], dtype=np.float32)
        return len(steps)


def open_mapped(path: Path | str) -> MappedWav | None:
    """Map a file, or return None if it is no whole WAV of 16 or 24 bits; a changed file is mapped anew."""
    status = os.stat(path)  # noqa: PTH116
    return _mapped(os.fspath(path), (status.st_ino, status.st_size, status.st_mtime_ns))


@lru_cache(maxsize=256)  # a map holds a file handle
def _mapped(path: str, stamp: tuple[int, int, int]) -> MappedWav | None:
    with open(path, "rb") as file:  # noqa: PTH123
        found = find_sound(file, stamp[1])
    if found is None:
        return None
    return MappedWav(
        path, rate=found.rate, channels=found.channels, bits=found.bits, first=found.first, size=found.size
    )


class Found(NamedTuple):
    """Where the samples of a plain WAV file lie: Hz, channels, bits, first byte, how many bytes."""

    rate: int
    channels: int
    bits: Bits
    first: int
    size: int


def find_sound(file: BinaryIO, length: int) -> Found | None:
    """Find the samples in a file of so many bytes; None if it is no whole WAV of 16 or 24 bits."""
    head = file.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return None
    layout: tuple[int, ...] | None = None
    while len(head := file.read(8)) == 8:
        name, size = head[:4], struct.unpack("<I", head[4:])[0]
        first = file.tell()
        if name == b"fmt ":
            layout = struct.unpack("<HHIIHH", file.read(16))
        elif name == b"data":
            return _found(layout, first, size) if first + size <= length else None
        file.seek(first + size + size % 2)
    return None


def _found(layout: tuple[int, ...] | None, first: int, size: int) -> Found | None:
    if layout is None:
        return None
    kind, channels, rate, _, frame, bits = layout
    if kind != 1 or bits not in (16, 24) or not channels or frame != channels * bits // 8 or size < frame:
        return None
    return Found(rate, channels, bits, first, size)


@njit(cache=True)
@no_type_check
def _spread_pairs(steps, scale, left, right):
    """Scale interleaved pairs into two rows."""
    flat = steps.reshape(-1)
    for i in range(len(steps)):
        left[i] = np.float32(flat[2 * i]) * scale
        right[i] = np.float32(flat[2 * i + 1]) * scale
