"""What preparation is timed on: renders of the demo set as 16-bit stereo of 30 s at 44.1 kHz."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
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


def copy_softer(paths: Sequence[Path], folder: Path, copies: int) -> None:
    """Write copies of every file, each a little softer, so that no two have the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in paths:
        wave, rate = soundfile.read(path, dtype="float32", always_2d=True)
        for number in range(copies):
            soundfile.write(folder / f"{path.stem}-{number}.wav", wave * 0.9**number, rate, subtype="PCM_16")


def write_long(path: Path, paths: Sequence[Path], hours: float) -> None:
    """Write 48 kHz stereo, one song after the other, again and again."""
    waves = [soundfile.read(one, dtype="int16", always_2d=True)[0] for one in paths]
    with soundfile.SoundFile(path, "w", 48_000, 2, subtype="PCM_16") as file:
        for wave in cycle(waves):
            if file.frames >= hours * 3600 * 48_000:
                break
            file.write(wave)


def _joined(renders: list[Path], number: int) -> np.ndarray:
    parts: list[np.ndarray] = []
    at = number * 7
    while sum(map(len, parts)) < SECONDS * 32_000:
        wave, rate = soundfile.read(renders[at % len(renders)], dtype="float32", always_2d=True)
        assert rate == 32_000, "the demo set is rendered at 32 kHz"
        parts.append(wave.mean(1))
        at += 1
    return np.concatenate(parts)[: SECONDS * 32_000]
