"""WAV files of 16 or 24 bits, written block by block and cut out of without decoding."""

from __future__ import annotations

import struct
from typing import BinaryIO, Literal, no_type_check

import numpy as np
from jaxtyping import Float
from numba import njit

Bits = Literal[16, 24]
LONGEST = 2**32 - 64  # bytes of sound that a RIFF header can count


class TooLongError(ValueError):
    """The sound does not fit into a WAV file."""


class PcmWriter:
    """Writes blocks behind a header that is completed by `close`.

    Samples beyond full scale are cut to it. An error of the file system is raised as it comes.
    """

    def __init__(self, file: BinaryIO, *, rate: int, channels: int, bits: Bits) -> None:
        self.file = file
        self.rate = rate
        self.channels = channels
        self.bits: Bits = bits
        self.frames = 0
        file.write(self._header())

    def write(self, block: Float[np.ndarray, "c t"]) -> None:
        """Append a block.

        Raises:
            TooLongError: the file would pass 4 GiB.
        """
        self.frames += block.shape[1]
        if self._bytes() > LONGEST:
            raise TooLongError("the sound does not fit into a WAV file of 4 GiB")
        self.file.write(packed(block, self.bits).data)

    def close(self) -> None:
        """Write the header anew, with the length; the file stays open."""
        if self._bytes() % 2:
            self.file.write(b"\0")
        self.file.seek(0)
        self.file.write(self._header())

    def _bytes(self) -> int:
        return self.frames * self.channels * self.bits // 8

    def _header(self) -> bytes:
        size, frame = self._bytes(), self.channels * self.bits // 8
        sound = struct.pack("<HHIIHH", 1, self.channels, self.rate, self.rate * frame, frame, self.bits)
        whole = 36 + size + size % 2
        return b"RIFF%sWAVEfmt \x10\0\0\0%sdata%s" % (
            struct.pack("<I", whole), sound, struct.pack("<I", size),
        )  # fmt: skip


def packed(wave: Float[np.ndarray, "c t"], bits: Bits) -> np.ndarray:
    """Round to whole steps of 16 or 24 bits, interleaved, least byte first."""
    values = np.ascontiguousarray(wave.T, dtype=np.float32)
    steps = np.empty(values.shape, "<i2" if bits == 16 else "<i4")
    _round(values.reshape(-1), np.float32(1 << (bits - 1)), steps.reshape(-1))
    if bits == 16:
        return steps
    return np.ascontiguousarray(steps.view(np.uint8).reshape(*steps.shape, 4)[..., :3])


@njit(cache=True)
@no_type_check
def _round(values, full, steps):
    """Scale, round and cut to what so many bits hold."""
    top = full - np.float32(1.0)
    for i in range(len(values)):
        steps[i] = np.int32(min(max(np.rint(values[i] * full), -full), top))
