"""A sound file as blocks of about a second, checked on the way; what it is, its bytes say.

with AudioStream(path) as stream:
    for block in stream: ...
    stream.doubts            # what is odd about a file that was read to its end
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import no_type_check

import numpy as np
import soundfile
from jaxtyping import Float
from numba import njit

from disco.audio.faults import BadAudio
from disco.audio.mpeg import Promise, inspect_mp3
from disco.audio.plain import PlainWav, open_plain
from disco.audio.probe import check_ogg, check_wave, recognise
from disco.audio.unpack import PyAV

LOWEST_RATE, HIGHEST_RATE = 4_000, 384_000
MOST_CHANNELS = 64
ABSURD = 1e6  # full scale is 1; a float file beyond this holds no sound
_BLOCK_VALUES = 1 << 20  # samples of all channels in a block: 4 MiB
_VORBIS_TO_WAVE = {3: (0, 2, 1), 5: (0, 2, 1, 3, 4), 6: (0, 2, 1, 5, 3, 4)}  # Vorbis I, section 4.3.9
_MP3_SLACK = 3 * 1152  # frames of MPEG audio that encoders and decoders disagree about at the edges
_OGG_SHORT = 0.01  # of its length may be missing from an Ogg stream whose last page is there

_EXPORT = "export or copy the file again"


class AudioStream:
    """Decodes WAV, FLAC, OGG, MP3, AIFF, AU, CAF and (with the extra `m4a`) MP4 and AAC, block by block.

    Blocks are float32 `[channels, samples]` at full scale ±1, of about a second, interleaved in memory
    (`block.T` is contiguous), in the channel order of WAV. Only one block is held at a time, whatever
    the header claims.

    Attributes:
        kind: what the file is by its bytes: `wav`, `flac`, `ogg`, `mp3`, ….
        rate: Hz; channels; frames: as its header says.
        decoded: frames handed out so far.
        doubts: faults that only warn, known at the end of the stream.

    Raises:
        BadAudio: on opening or while reading; its `code` says why.
    """

    def __init__(self, path: Path) -> None:
        self.kind = recognise(path)
        self.doubts: list[BadAudio] = []
        self.decoded = 0
        self._promise: Promise | None = None
        if self.kind in ("wav", "rf64"):
            check_wave(path)
        elif self.kind == "ogg":
            check_ogg(path)
        elif self.kind == "mp3":
            self._promise = inspect_mp3(path)
            self.doubts.extend(self._promise.doubts)
        self._bytes = path.open("rb")
        try:
            self._file = PyAV(path) if self.kind in ("m4a", "aac") else self._plain(path) or self._open()
            self.rate, self.channels = int(self._file.samplerate), int(self._file.channels)
            self.frames = int(self._file.frames)
            self._refuse_odd_headers()
        except BadAudio:
            self._bytes.close()
            raise

    def __enter__(self) -> AudioStream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        self._bytes.close()

    def __iter__(self) -> Iterator[Float[np.ndarray, "c t"]]:
        """Yield the blocks once, and check at the end that all that was promised came."""
        size = max(1, min(self.rate, _BLOCK_VALUES // self.channels))
        wide = self._file.subtype == "DOUBLE"  # 1e300 would become infinite before it is seen
        short = self._file.subtype == "PCM_16"  # as it lies in the file: libsndfile converts slowly
        kind = "float64" if wide else "int16" if short else "float32"
        order = _VORBIS_TO_WAVE.get(self.channels) if self._file.subtype == "VORBIS" else None
        while True:
            try:
                read = self._file.read(size, dtype=kind, always_2d=True)
            except (soundfile.LibsndfileError, RuntimeError) as error:
                reason = f"decoding breaks off after {self.decoded} of {self.frames} samples"
                raise BadAudio("truncated", reason, do=_EXPORT) from error
            if not len(read):
                break
            if short:
                block = np.empty(read.shape, np.float32)
                _scale(read.reshape(-1), block.reshape(-1))
            else:
                self._refuse_odd_samples(read)
                block = read.astype(np.float32) if wide else read
            if order is not None:
                block = np.ascontiguousarray(block[:, order])
            self.decoded += len(block)
            yield block.T
        self._check_length()

    def _plain(self, path: Path) -> PlainWav | None:
        return open_plain(path, self._bytes) if self.kind == "wav" else None

    def _open(self) -> soundfile.SoundFile:
        """Open by descriptor, so that libsndfile sees no suffix to guess from, and no tag before an MP3."""
        try:
            os.lseek(self._bytes.fileno(), self._promise.start if self._promise else 0, os.SEEK_SET)
            return soundfile.SoundFile(self._bytes.fileno(), closefd=False)
        except (soundfile.LibsndfileError, RuntimeError, TypeError) as error:
            raise _unreadable(error) from error

    def _refuse_odd_headers(self) -> None:
        if not LOWEST_RATE <= self.rate <= HIGHEST_RATE:
            raise BadAudio(
                "odd_rate",
                f"its sampling rate is {self.rate} Hz, outside {LOWEST_RATE} to {HIGHEST_RATE}",
                do=_EXPORT,
            )
        if not 1 <= self.channels <= MOST_CHANNELS:
            raise BadAudio(
                "odd_channels",
                f"it has {self.channels} channels, more than {MOST_CHANNELS}",
                do="mix it down",
            )
        if self.frames == 0:
            raise BadAudio("empty", "it holds no samples", do=_EXPORT)

    def _refuse_odd_samples(self, read: Float[np.ndarray, "t c"]) -> None:
        top = max(float(read.max()), -float(read.min()))  # NaN, if there is one, wins both
        if not np.isfinite(top):
            first = int(np.flatnonzero(~np.isfinite(read).all(axis=1))[0])
            raise BadAudio(
                "non_finite",
                f"it holds a NaN or infinite sample, first at index {self.decoded + first}",
                do=_EXPORT,
            )
        if top > ABSURD:
            where = self.decoded + int(np.flatnonzero((np.abs(read) > ABSURD).any(axis=1))[0])
            raise BadAudio(
                "absurd_level",
                f"sample {where} has an amplitude of {top:.3g} where full scale is 1",
                do="scale the file to ±1 or export it again",
            )

    def _check_length(self) -> None:
        if self.decoded == 0:
            raise BadAudio("empty", "no sample could be decoded", do=_EXPORT)
        if self._promise is not None:
            self._doubt_length(self._promise)
        elif self.kind not in ("m4a", "aac") and self.decoded < self.frames < 1 << 62:  # more is not told
            if self.kind != "ogg" or self.decoded < (1 - _OGG_SHORT) * self.frames:
                reason = f"it ends after {self.decoded} of {self.frames} samples"
                raise BadAudio("truncated", reason, do=_EXPORT)
            self._doubt_end(self.frames)

    def _doubt_length(self, promise: Promise) -> None:
        if promise.frames is not None and self.decoded < promise.frames - _MP3_SLACK:
            self._doubt_end(promise.frames)

    def _doubt_end(self, promised: int) -> None:
        there, whole = self.decoded / self.rate, promised / self.rate
        reason = f"{there:.2f} of {whole:.2f} s could be decoded"
        self.doubts.append(BadAudio("truncated", reason, do=_EXPORT, verdict="warn"))


def _unreadable(error: Exception) -> BadAudio:
    reason = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    return BadAudio("unreadable", f"it cannot be read as audio ({str(reason).rstrip('.')})", do=_EXPORT)


@njit(cache=True)
@no_type_check
def _scale(steps, values):
    """Turn whole numbers of 16 bits into full scale ±1; NumPy takes three times as long."""
    for i in range(len(steps)):
        values[i] = np.float32(steps[i]) * np.float32(2.0**-15)
