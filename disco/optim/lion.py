"""Lion, from lion-pytorch."""

from collections.abc import Mapping, Sequence

import torch

from disco.core.ranges import NaturalFloat, PositiveFloat, Share
from disco.optim.groups import Group
from disco.optim.recipe import OptimRecipe
from disco.optim.schedules import Schedule


class Lion(OptimRecipe):
    """Moves by the sign of an interpolated momentum (Chen et al. 2023, arXiv 2302.06675).

    Args:
        betas: share of the momentum in the step, and memory of the momentum.
    """

    def __init__(
        self,
        *,
        lr: PositiveFloat,
        betas: Sequence[Share],
        weight_decay: NaturalFloat,
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

    def optimizer(self, groups: Sequence[Group]) -> torch.optim.Optimizer:
        """Return `lion_pytorch.Lion`."""
        from lion_pytorch import Lion as LionOptimizer  # imported where it is used

        return LionOptimizer([self.settings(group) for group in groups], lr=self.lr, betas=self.betas)
