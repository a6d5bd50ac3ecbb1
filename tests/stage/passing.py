"""Passes sound through stages as the engine does: in blocks, then their conclusions in order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import OmegaConf

from disco.apps.compose import build
from disco.apps.launch import CONF
from disco.core.stage import Notes, Source, Stage


def stage(name: str, **changes: Any) -> Stage:
    """Build a stage as its YAML says, but for the changes."""
    node = OmegaConf.load(CONF / "stage" / f"{name}.yaml")[name]
    return build(OmegaConf.merge(node, changes), f"stage.{name}")


def noted(wave: np.ndarray, rate: int, stages: Sequence[Stage], block: int | None = None) -> Notes:
    """Let the wave `[channels, samples]` run through."""
    channels, frames = wave.shape
    source = Source(
        path=Path("a.wav"), name="a.wav", key="0" * 16, rate=rate, channels=channels, frames=frames
    )
    notes = Notes(source=source, rate=rate, channels=channels)
    taps = [tap for one in stages if (tap := one.open(notes)) is not None]
    stored = 0
    for first in range(0, frames, block or rate):
        stored += _through(wave[:, first : first + (block or rate)].astype(np.float32), taps)
    for place, tap in enumerate(taps):
        stored += _through(tap.flush(), taps[place + 1 :])
    notes.seconds = stored / notes.rate
    for one in stages:
        one.conclude(notes)
    return notes


def _through(block: np.ndarray, taps: Sequence[Any]) -> int:
    for tap in taps:
        block = tap.push(block)
    return block.shape[1]
