"""What conditioners have in common that listen to something given: a melody, notes, a picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from disco.core.batch import Conditions
from disco.core.contracts import Conditioner
from disco.core.ranges import Share


class Listener(Conditioner):
    """Hears one thing out of `Conditions.given`; items without it say nothing.

    Args:
        dropout: share of the training items that it hears nothing of, drawn for each item by itself from
            torch's generator, whose state checkpoints hold. So a model learns to play without, and several
            conditions can be given in any combination.
    """

    def __init__(self, *, dropout: Share) -> None:
        super().__init__()
        self.dropout = dropout

    def heard(self, conditions: Conditions) -> list[Any]:
        """Return what is given of each item, None where nothing is, or where it is dropped."""
        values = list(conditions.given.get(self.hears or "", (None,) * len(conditions)))
        if self.training and self.dropout > 0:
            dropped = (torch.rand(len(values)) < self.dropout).tolist()
            values = [None if off else value for value, off in zip(values, dropped, strict=True)]
        return values


def middles(frames: int, frame_rate: float) -> Float[np.ndarray, " f"]:
    """Return the middle of each frame in seconds."""
    return (np.arange(frames) + 0.5) / frame_rate
