"""Stochastic gradient descent with momentum."""

from collections.abc import Mapping, Sequence

import torch

from disco.core.ranges import NaturalFloat, PositiveFloat, Share
from disco.optim.groups import Group
from disco.optim.recipe import OptimRecipe
from disco.optim.schedules import Schedule


class SGD(OptimRecipe):
    """One buffer per parameter; none without momentum.

    Args:
        momentum: memory of the buffer; 0 is plain descent.
        nesterov: look ahead along the buffer (Sutskever et al. 2013); needs momentum.
    """

    def __init__(
        self,
        *,
        lr: PositiveFloat,
        momentum: Share,
        nesterov: bool,
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
        self.momentum = momentum
        self.nesterov = nesterov

    def optimizer(self, groups: Sequence[Group]) -> torch.optim.Optimizer:
        """Return `torch.optim.SGD`."""
        return torch.optim.SGD(
            [self.settings(group) for group in groups],
            lr=self.lr,
            momentum=self.momentum,
            nesterov=self.nesterov,
        )
