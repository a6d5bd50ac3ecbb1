"""Runs stages over a file and keeps what leaves them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from disco.audio.stream import AudioStream
from disco.core.stage import Notes, Source, Stage


def passed(path: Path, stages: Sequence[Stage]) -> tuple[Notes, np.ndarray]:
    """Stream a file through stages; return what was noted and what left the last one."""
    with AudioStream(path) as stream:
        source = Source(
            path=path, name=path.name, key="0" * 16, rate=stream.rate, channels=stream.channels,
            frames=stream.frames,
        )  # fmt: skip
        notes = Notes(source=source, rate=stream.rate, channels=stream.channels)
        taps = [tap for one in stages if (tap := one.open(notes)) is not None]
        left = [_through(taps, block) for block in stream]
        left += [_through(taps[place + 1 :], tap.flush()) for place, tap in enumerate(taps)]
    wave = np.concatenate([block for block in left if block.shape[1]] or left[:1], axis=1)
    notes.seconds = wave.shape[1] / notes.rate
    for one in stages:
        one.conclude(notes)
    return notes, wave


def _through(taps: Sequence, block: np.ndarray) -> np.ndarray:
    for tap in taps:
        block = tap.push(block)
    return block
