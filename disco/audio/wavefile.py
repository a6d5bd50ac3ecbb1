"""Sound files to arrays and back, without torch, so that workers start fast."""

import struct
from pathlib import Path

import numpy as np
import soundfile
from jaxtyping import Float

from disco.drafts import drafted
from disco.errors import DiscoError

FORMATS = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".ogg": ("OGG", "VORBIS"),
    ".mp3": ("MP3", None),
}
_OGG_BLOCK = 16_384  # one long write of stereo OGG crashes libsndfile; blocks of this size do not


def read_wave(
    path: Path, *, start: float = 0.0, seconds: float | None = None
) -> tuple[Float[np.ndarray, "c t"], int]:
    """Read `seconds` of the file from `start` on (all of it when None), with its own rate.

    The result is shorter than `seconds` where the file ends earlier.

    Raises:
        DiscoError: no regular file, empty, unreadable, cut off, not finite, or `start` beyond its end.
    """
    if start < 0 or (seconds is not None and seconds <= 0):
        raise ValueError(f"start must be >= 0 and seconds > 0, got {start} and {seconds}")
    _refuse_non_audio(path)
    try:
        with soundfile.SoundFile(path) as file:
            first = round(start * file.samplerate)
            if first >= file.frames:
                length = file.frames / file.samplerate
                raise DiscoError(
                    f"{path} has {length:.2f} s of sound, none from {start:.2f} s on",
                    do="ask for an earlier start or leave the file out",
                )
            wanted = file.frames - first
            if seconds is not None:
                wanted = min(wanted, round(seconds * file.samplerate))
            file.seek(first)
            wave = file.read(wanted, dtype="float32", always_2d=True).T
            rate, lossy = file.samplerate, file.format == "MP3"
    except soundfile.LibsndfileError as error:
        raise DiscoError(
            f"{path} cannot be read as audio ({error.error_string})", do="convert it to WAV or FLAC"
        ) from error
    if wave.shape[1] < wanted and not lossy:  # an MP3 header may only estimate its length
        raise DiscoError(f"{path} ends before its header says", do="copy or export the file again")
    if not np.isfinite(wave).all():
        raise DiscoError(f"{path} holds NaN or infinite samples", do="export the file again")
    return np.ascontiguousarray(wave), rate


def write_wave(
    path: Path,
    wave: Float[np.ndarray, "c t"],
    rate: int,
    *,
    allow_clipping: bool = False,
    comment: str | None = None,
) -> int:
    """Write WAV or FLAC (16 bit), OGG or MP3 by the suffix and return the number of clipped samples.

    The file appears whole or not at all. Reading a 16-bit file back gives the same samples, rounded
    to 1/32768. A comment stands in the file's own metadata, where players show it.

    Raises:
        DiscoError: empty or not finite, an unknown suffix, or samples beyond full scale while
            `allow_clipping` is off.
    """
    if path.suffix.lower() not in FORMATS:
        raise DiscoError(f"{path} has no known audio suffix", do=f"use one of {', '.join(FORMATS)}")
    if wave.ndim != 2 or wave.size == 0:
        raise DiscoError(f"nothing to write into {path}", do="check the length of the clip")
    if not np.isfinite(wave).all():
        raise DiscoError(f"the clip for {path} holds NaN or infinite samples", do="check what made it")
    num_clipped = int(np.count_nonzero(np.abs(wave) > 1.0))
    if num_clipped and not allow_clipping:
        peak = float(np.abs(wave).max())
        raise DiscoError(
            f"{num_clipped} samples of the clip for {path} lie beyond full scale (peak {peak:.2f})",
            do="lower its gain, or allow clipping",
        )
    file_format, subtype = FORMATS[path.suffix.lower()]
    frames = np.clip(wave, -1.0, 1.0).T
    if subtype == "PCM_16":
        frames = np.clip(np.rint(frames * 32768.0), -32768, 32767).astype(np.int16)
    with (
        drafted(path) as draft,
        soundfile.SoundFile(draft, "w", rate, wave.shape[0], subtype=subtype, format=file_format) as file,
    ):
        if comment is not None:
            file.comment = comment  # before the first sample
        block = _OGG_BLOCK if file_format == "OGG" else len(frames)
        for first in range(0, len(frames), block):
            file.write(frames[first : first + block])
    return num_clipped


def _refuse_non_audio(path: Path) -> None:
    if not path.exists():
        raise DiscoError(f"{path} does not exist", do="check the path")
    if not path.is_file():  # a pipe would block, a device never end
        raise DiscoError(f"{path} is not a regular file", do="give the path of an audio file")
    size = path.stat().st_size
    if size == 0:
        raise DiscoError(f"{path} is empty", do="copy or export the file again")
    with path.open("rb") as file:
        head = file.read(12)
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        promised = struct.unpack("<I", head[4:8])[0]
        streamed = promised in (0, 0xFFFFFFFF)  # what a program writes that cannot seek back
        if not streamed and promised + 8 > size + 1:  # one byte of padding is often left out
            raise DiscoError(
                f"{path} is cut off: {size} bytes of {promised + 8}", do="copy or export the file again"
            )
