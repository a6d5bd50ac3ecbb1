"""WAV files of 16 or 24 bits as the system maps them: cutting out costs no more than copying."""

from __future__ import annotations

import struct
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float

from disco.audio.pcm import Bits


class MappedWav:
    """One such file; what is cut out of it is float32 at full scale ±1.

    Attributes:
        rate: Hz; channels; frames: of the file.
    """

    def __init__(self, path: Path, *, rate: int, channels: int, bits: Bits, first: int, size: int) -> None:
        self.rate = rate
        self.channels = channels
        self.bits: Bits = bits
        self.frames = size // (channels * bits // 8)
        shape = (self.frames, channels) if bits == 16 else (self.frames, channels, 3)
        kind = "<i2" if bits == 16 else np.uint8
        self._steps = np.memmap(path, dtype=kind, mode="r", offset=first, shape=shape)

    def read(self, first: int, count: int) -> Float[np.ndarray, "c t"]:
        """Return up to `count` frames from `first` on."""
        steps = self._steps[first : first + count]
        if self.bits == 24:
            wide = np.zeros((*steps.shape[:2], 4), np.uint8)
            wide[..., 1:] = steps  # in the upper bytes, where the sign is
            steps = wide.view("<i4")[..., 0]
            return (steps.T * np.float32(2.0**-31)).astype(np.float32)
        return np.multiply(steps.T, np.float32(2.0**-15), dtype=np.float32)


def open_mapped(path: Path) -> MappedWav | None:
    """Map a file, or return None if it is no whole WAV of 16 or 24 bits; a changed file is mapped anew."""
    status = path.stat()
    return _mapped(path, (status.st_ino, status.st_size, status.st_mtime_ns))


@lru_cache(maxsize=256)  # a map holds a file handle
def _mapped(path: Path, stamp: tuple[int, int, int]) -> MappedWav | None:
    with path.open("rb") as file:
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
                return _sound(path, layout, first, size) if first + size <= stamp[1] else None
            file.seek(first + size + size % 2)
    return None


def _sound(path: Path, layout: tuple[int, ...] | None, first: int, size: int) -> MappedWav | None:
    if layout is None:
        return None
    kind, channels, rate, _, frame, bits = layout
    if kind != 1 or bits not in (16, 24) or not channels or frame != channels * bits // 8 or size < frame:
        return None
    return MappedWav(path, rate=rate, channels=channels, bits=bits, first=first, size=size)
