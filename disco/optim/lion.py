"""Lion, from lion-pytorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from disco.core.ranges import NaturalFloat, PositiveFloat
from disco.optim.recipe import OptimRecipe
from disco.optim.schedules import Schedule


class Lion(OptimRecipe):
    """Moves by the sign of an interpolated momentum (Chen et al. 2023, arXiv 2302.06675)."""

    def __init__(
        self,
        *,
        lr: PositiveFloat,
        betas: Sequence[float],
        weight_decay: NaturalFloat,
        clip_norm: NaturalFloat,
        schedule: Schedule,
    ) -> None:
        super().__init__(lr=lr, weight_decay=weight_decay, clip_norm=clip_norm, schedule=schedule)
        self.betas = (betas[0], betas[1])

    def optimizer(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Return `lion_pytorch.Lion`."""
        from lion_pytorch import Lion as LionOptimizer  # imported where it is used

        return LionOptimizer(groups, lr=self.lr, betas=self.betas)
