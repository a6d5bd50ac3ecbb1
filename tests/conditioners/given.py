"""Small conditions of every kind, alike and unlike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from disco.audio.clip import Clip
from disco.core.batch import Conditions
from disco.core.given import Excerpt, Given, Labels, Melody, Notes, Picture
from disco.midi.score import NoteTable


def notes(*played: tuple[float, float, int]) -> NoteTable:
    """Onset, offset and pitch of each."""
    onset, offset, pitch = (np.array(column) for column in zip(*played, strict=True)) if played else [[]] * 3
    count = len(played)
    return NoteTable(
        np.asarray(onset, np.float64),
        np.asarray(offset, np.float64),
        np.asarray(pitch, np.int64),
        np.full(count, 90),
        np.zeros(count, np.int64),
        np.zeros(count, bool),
    )


def tone(hz: float, seconds: float = 2.0, rate: int = 16000) -> Clip:
    """A sine with a few partials."""
    time = torch.arange(round(seconds * rate)) / rate
    wave = sum(0.3 / part * torch.sin(2 * torch.pi * hz * part * time) for part in (1, 2, 3))
    return Clip(torch.as_tensor(wave)[None].float(), rate)


def square(red: float, green: float, blue: float) -> Picture:
    """A picture of one colour."""
    return Picture(
        torch.tensor([red, green, blue], dtype=torch.float32)[:, None, None].expand(3, 40, 30).contiguous()
    )


GIVEN: dict[str, tuple[Given, Given]] = {
    "melody": (Melody(np.repeat([0, 4, 7, -1], 16), 32.0), Melody(np.repeat([2, 5, 9, 11], 16), 32.0)),
    "chords": (
        Labels((0.0, 1.0), ("C:maj", "G:maj"), 2.0),
        Labels((0.0, 1.0), ("A:min", "F:maj"), 2.0),
    ),
    "sections": (Labels((0.0, 1.0), ("A", "B"), 2.0), Labels((0.0, 1.0), ("B", "C"), 2.0)),
    "midi": (
        Notes(notes((0.0, 0.5, 60), (0.5, 1.0, 64), (1.0, 2.0, 67))),
        Notes(notes((0.0, 1.0, 72))),
    ),
    "style": (Excerpt(tone(220.0)), Excerpt(tone(1760.0, seconds=1.0))),
    "image": (square(1.0, 0.0, 0.0), square(0.0, 0.2, 1.0)),
}


def told(name: str, *values: Given | None) -> Conditions:
    """Tell each item one thing, or nothing."""
    return Conditions(text=(None,) * len(values), given={name: values})


def save_tiny_clip(folder: Path) -> Path:
    """Save a small vision tower with random weights as `transformers` does."""
    import transformers

    torch.manual_seed(0)
    config = transformers.CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=16,
    )
    transformers.CLIPVisionModel(config).save_pretrained(folder)
    return folder
