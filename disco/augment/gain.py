"""Random level."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from disco.core.contracts import WaveAugment


class Gain(WaveAugment):
    """Multiplies a waveform by a random gain, held below full scale.

    Args:
        min_db: quietest gain; max_db: loudest gain.
    """

    def __init__(self, *, min_db: float, max_db: float) -> None:
        self.min_db = min_db
        self.max_db = max_db

    def __call__(self, wave: Float[Tensor, "c t"], generator: torch.Generator) -> Float[Tensor, "c t"]:
        """Return the waveform at its new level."""
        share = torch.rand((), generator=generator).item()
        gain = 10 ** ((self.min_db + share * (self.max_db - self.min_db)) / 20)
        peak = wave.abs().max().item()
        return wave * min(gain, 1.0 / peak if peak > 0 else gain)
