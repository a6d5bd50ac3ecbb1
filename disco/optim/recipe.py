"""What all optimisers share: parameter groups, a schedule per step, a clipping norm."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from disco.core.ranges import NaturalFloat, PositiveFloat, Share
from disco.errors import DiscoError
from disco.optim.groups import Group, parameter_groups
from disco.optim.schedules import Schedule


class OptimRecipe(ABC):
    """An optimiser's settings, before it has parameters.

    Args:
        lr: peak learning rate.
        weight_decay: of matrices; norms, biases and embeddings never decay.
        clip_norm: gradients are scaled down to this norm; 0 leaves them.
        layer_decay: factor of the rate per layer below the last (Howard & Ruder 2018, arXiv 1801.06146).
        site_rates: factor of the rate by the model's site names, for example {head: 0.1}.
        schedule: the rate over the run.

    Raises:
        ValueError: a factor below 0.
    """

    def __init__(
        self,
        *,
        lr: PositiveFloat,
        weight_decay: NaturalFloat,
        clip_norm: NaturalFloat,
        layer_decay: Share,
        site_rates: Mapping[str, float] | None,
        schedule: Schedule,
    ) -> None:
        for site, rate in (site_rates or {}).items():
            if rate < 0:
                raise ValueError(f"site_rates.{site}={rate} is below 0")
        self.lr = lr
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.layer_decay = layer_decay
        self.site_rates = dict(site_rates or {})
        self.schedule = schedule

    @abstractmethod
    def optimizer(self, groups: Sequence[Group]) -> torch.optim.Optimizer:
        """Return the optimiser over parameter groups."""

    def settings(self, group: Group) -> dict[str, Any]:
        """Return a group as PyTorch's optimisers take it."""
        return {
            "params": list(group.named.values()),
            "lr": self.lr * group.factor,
            "weight_decay": self.weight_decay if group.decays else 0.0,
        }

    def build(
        self, module: nn.Module, total_steps: int
    ) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
        """Return optimiser and schedule.

        Raises:
            DiscoError: nothing requires a gradient, a site does not fit, or the optimiser refuses its
                settings.
        """
        groups = parameter_groups(module, layer_decay=self.layer_decay, site_rates=self.site_rates)
        if not groups:
            raise DiscoError("no parameter is trainable", do="choose an adapter that moves something")
        try:
            optimizer = self.optimizer(groups)
        except ValueError as error:
            raise DiscoError(f"optim: {error}") from error
        return optimizer, self.schedule.attach(optimizer, total_steps)

    def check(self, module: nn.Module, total_steps: int) -> None:
        """Refuse what `build` would, and a warm-up longer than the run, as a trial of few steps may have.

        Raises:
            DiscoError: says what does not fit.
        """
        self.schedule.check(total_steps)
        self.build(module, total_steps)
