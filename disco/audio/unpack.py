"""MP4 audio (m4a, ALAC) and bare AAC by way of PyAV, which is an extra."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from disco.audio.faults import BadAudio


class PyAV:
    """Reads the first audio track of a file as `soundfile.SoundFile` reads others.

    Attributes:
        samplerate: Hz; channels; frames: as the container says.

    Raises:
        BadAudio: `missing_extra`; PyAV is not installed. `unreadable`; it cannot read the file.
    """

    subtype = "AAC"

    def __init__(self, path: Path) -> None:
        try:
            import av  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise BadAudio(
                "missing_extra",
                "it is MP4 or AAC audio",
                do='pip install "disco-musica[m4a]", or convert it to FLAC',
            ) from error
        self._error: type[Exception] = av.error.FFmpegError
        try:
            self._container: Any = av.open(str(path))
            track = self._container.streams.audio[0]
        except (self._error, IndexError) as error:
            raise BadAudio("unreadable", f"it holds no readable sound ({error})", do="convert it") from error
        self.samplerate = int(track.rate)
        self.channels = int(track.channels)
        self.frames = round(float((track.duration or 0) * (track.time_base or 0)) * self.samplerate) or -1
        self._decoded = self._frames(av.AudioResampler(format="flt"))
        self._rest = np.zeros((0, self.channels), np.float32)

    def read(self, frames: int, *, dtype: str, always_2d: bool) -> Float[np.ndarray, "t c"]:
        """Return up to `frames` samples of every channel, none at the end."""
        while len(self._rest) < frames:
            piece = next(self._decoded, None)
            if piece is None:
                break
            self._rest = np.concatenate([self._rest, piece])
        read, self._rest = self._rest[:frames], self._rest[frames:]
        return read

    def close(self) -> None:
        """Let go of the file."""
        self._container.close()

    def _frames(self, packed: Any) -> Iterator[Float[np.ndarray, "t c"]]:
        try:
            for frame in self._container.decode(audio=0):
                for one in packed.resample(frame):
                    yield one.to_ndarray().reshape(-1, self.channels)
        except self._error as error:
            raise BadAudio("unreadable", f"its sound cannot be decoded ({error})", do="convert it") from error
