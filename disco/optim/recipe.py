"""What all optimisers share: decay groups, a schedule per step, a clipping norm."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import nn

from disco.core.ranges import NaturalFloat, PositiveFloat
from disco.errors import DiscoError
from disco.optim.groups import decay_groups
from disco.optim.schedules import Schedule


class OptimRecipe(ABC):
    """An optimiser's settings, before it has parameters.

    Args:
        lr: peak learning rate.
        weight_decay: of matrices; norms, biases and embeddings never decay.
        clip_norm: gradients are scaled down to this norm; 0 leaves them.
        schedule: the rate over the run.
    """

    def __init__(
        self, *, lr: PositiveFloat, weight_decay: NaturalFloat, clip_norm: NaturalFloat, schedule: Schedule
    ) -> None:
        self.lr = lr
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.schedule = schedule

    @abstractmethod
    def optimizer(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Return the optimiser over parameter groups."""

    def build(
        self, module: nn.Module, total_steps: int
    ) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
        """Return optimiser and schedule.

        Raises:
            DiscoError: nothing in the module requires a gradient.
        """
        groups = [group for group in decay_groups(module, self.weight_decay) if group["params"]]
        if not groups:
            raise DiscoError("no parameter is trainable", do="choose an adapter that moves something")
        optimizer = self.optimizer(groups)
        return optimizer, self.schedule.attach(optimizer, total_steps)
