"""An exponential moving average of the weights."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from disco.callbacks.averaging import Averaging
from disco.core.ranges import PositiveFloat, Share


class Ema(Averaging):
    """Forgets old weights at the rate `decay`, faster while there are few.

    After n steps the decay is min(decay, 1 - (1 + n)^-power), so that a short run is not an average of
    its beginning (the warm-up of k-diffusion and stable-audio-tools).

    Args:
        decay: share of the average that each step keeps.
        power: 3/4 for long runs, 2/3 for those of many hundred thousand steps.
    """

    def __init__(self, *, decay: Share, power: PositiveFloat) -> None:
        super().__init__(self.move)
        self.decay = decay
        self.power = power

    def move(self, averages: Any, weights: Any, averaged: torch.Tensor | int) -> None:
        """Move the averages towards the weights."""
        decay = min(self.decay, 1 - (1 + int(averaged)) ** -self.power)
        get_ema_multi_avg_fn(decay)(averages, weights, averaged)
