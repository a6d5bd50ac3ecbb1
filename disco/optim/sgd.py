"""Stochastic gradient descent with momentum."""

from __future__ import annotations

from typing import Any

import torch

from disco.core.ranges import NaturalFloat, PositiveFloat, Share
from disco.optim.recipe import OptimRecipe
from disco.optim.schedules import Schedule


class SGD(OptimRecipe):
    """Nesterov momentum; one buffer per parameter."""

    def __init__(
        self,
        *,
        lr: PositiveFloat,
        momentum: Share,
        weight_decay: NaturalFloat,
        clip_norm: NaturalFloat,
        schedule: Schedule,
    ) -> None:
        super().__init__(lr=lr, weight_decay=weight_decay, clip_norm=clip_norm, schedule=schedule)
        self.momentum = momentum

    def optimizer(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Return `torch.optim.SGD`."""
        return torch.optim.SGD(groups, lr=self.lr, momentum=self.momentum, nesterov=self.momentum > 0)
