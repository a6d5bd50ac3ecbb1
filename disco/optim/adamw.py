"""AdamW, fused into one kernel where that is possible."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from disco.core.ranges import NaturalFloat, PositiveFloat
from disco.optim.recipe import OptimRecipe
from disco.optim.schedules import Schedule


class AdamW(OptimRecipe):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv 1711.05101)."""

    def __init__(
        self,
        *,
        lr: PositiveFloat,
        betas: Sequence[float],
        eps: PositiveFloat,
        fused: bool,
        weight_decay: NaturalFloat,
        clip_norm: NaturalFloat,
        schedule: Schedule,
    ) -> None:
        super().__init__(lr=lr, weight_decay=weight_decay, clip_norm=clip_norm, schedule=schedule)
        self.betas = (betas[0], betas[1])
        self.eps = eps
        self.fused = fused

    def optimizer(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Return `torch.optim.AdamW`."""
        return torch.optim.AdamW(groups, lr=self.lr, betas=self.betas, eps=self.eps, fused=self.fused)
