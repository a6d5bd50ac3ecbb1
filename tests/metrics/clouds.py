"""Takes and embedders whose distances are known, for tests of metrics over embeddings."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from disco.audio.clip import Clip
from disco.core.embedder import Embedder
from disco.core.metric import Take

RATE = 8000


class Direct(Embedder):
    """Reads points straight from the samples: every `width` of them are one."""

    def __init__(self, *, width: int, cache: str | None = None) -> None:
        super().__init__(name="direct", rate=RATE, fingerprint=str(width), cache=cache)
        self.width = width
        self.asked = 0

    def hear(self, wave: Float[Tensor, " t"]) -> Float[np.ndarray, "n d"]:
        """Return the samples as points."""
        self.asked += 1
        return wave.view(-1, self.width).numpy()


def take(points: np.ndarray) -> Take:
    """A take whose points, as `Direct` reads them, are these."""
    return Take(clip=Clip(torch.from_numpy(points.astype(np.float32)).reshape(1, -1), RATE))


def takes(
    rng: np.random.Generator, count: int, *, windows: int, width: int, shift: float = 0.0
) -> list[Take]:
    """Takes whose windows have something in common: half of the variance lies between takes."""
    centres = rng.normal(shift, math.sqrt(0.5), (count, 1, width))
    return [take(one) for one in centres + rng.normal(0.0, math.sqrt(0.5), (count, windows, width))]
