"""What preparation is timed on: renders of the demo set as 16-bit stereo of 30 s at 44.1 kHz."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import soundfile

from disco.audio.resample import resample
from disco.errors import DiscoError

DEMO = Path("outputs/data/demo/audio/processed")
RATE, SECONDS = 44_100, 30


def write_songs(folder: Path, count: int) -> list[Path]:
    """Write so many files; the right channel is a later and softer copy of the left."""
    renders = sorted(DEMO.glob("*.wav"))
    if not renders:
        raise DiscoError(f"{DEMO} holds no sound", do="make it first: python scripts/prepare.py")
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(count):
        left = _joined(renders, number)
        pair = np.stack([left, 0.7 * np.roll(left, 23) + 0.3 * left]).astype(np.float32)
        path = folder / f"{number:02d}.wav"
        soundfile.write(path, resample(pair, 32_000, RATE).T, RATE, subtype="PCM_16")
        paths.append(path)
    return paths


def write_long(path: Path, song: Path, hours: float) -> None:
    """Write a file of 48 kHz stereo that begins with a song, five minutes of it, and is silence after that.

    The silence is a hole in the file, so that it takes no room; it is decoded like any other sound.
    """
    wave, _ = soundfile.read(song, dtype="int16", always_2d=True)
    soundfile.write(path, np.tile(wave, (10, 1)), 48_000, subtype="PCM_16")
    size = round(hours * 3600) * 48_000 * 4
    with path.open("r+b") as file:
        file.truncate(44 + size)
        for place, value in ((4, 36 + size), (40, size)):
            file.seek(place)
            file.write(struct.pack("<I", value))


def _joined(renders: list[Path], number: int) -> np.ndarray:
    parts: list[np.ndarray] = []
    at = number * 7
    while sum(map(len, parts)) < SECONDS * 32_000:
        wave, rate = soundfile.read(renders[at % len(renders)], dtype="float32", always_2d=True)
        assert rate == 32_000, "the demo set is rendered at 32 kHz"
        parts.append(wave.mean(1))
        at += 1
    return np.concatenate(parts)[: SECONDS * 32_000]
