"""AdamW, fused into one kernel where that is possible."""

from collections.abc import Mapping, Sequence

import torch

from disco.core.ranges import NaturalFloat, PositiveFloat, Share
from disco.optim.groups import Group
from disco.optim.recipe import OptimRecipe
from disco.optim.schedules import Schedule


class AdamW(OptimRecipe):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv 1711.05101).

    Args:
        betas: memory of the mean and of the square.
        eps: added to the root of the square.
        fused: one kernel for all parameters.
    """

    def __init__(
        self,
        *,
        lr: PositiveFloat,
        betas: Sequence[Share],
        eps: PositiveFloat,
        fused: bool,
        weight_decay: Share,
        clip_norm: NaturalFloat,
        layer_decay: Share,
        site_rates: Mapping[str, float] | None,
        schedule: Schedule,
    ) -> None:
        super().__init__(
            lr=lr,
            weight_decay=weight_decay,
            clip_norm=clip_norm,
            layer_decay=layer_decay,
            site_rates=site_rates,
            schedule=schedule,
        )
        first, second = betas
        self.betas = (first, second)
        self.eps = eps
        self.fused = fused

    def optimizer(self, groups: Sequence[Group]) -> torch.optim.Optimizer:
        """Return `torch.optim.AdamW`."""
        return torch.optim.AdamW(
            [self.settings(group) for group in groups],
            lr=self.lr,
            betas=self.betas,
            eps=self.eps,
            fused=self.fused,
        )
