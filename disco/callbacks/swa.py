"""The plain average of the weights over the end of a run."""

from __future__ import annotations

import lightning as L
from torch.optim.swa_utils import get_swa_multi_avg_fn

from disco.callbacks.averaging import Averaging
from disco.core.ranges import PositiveInt, Share


class Swa(Averaging):
    """Averages the weights of every so many steps alike, from a share of the run on.

    Best with optim/schedule=constant: a rate that has died away leaves little to average.

    Args:
        start: share of the steps before the first that counts.
        every_n_steps: steps between two that count.
    """

    def __init__(self, *, start: Share, every_n_steps: PositiveInt) -> None:
        super().__init__(get_swa_multi_avg_fn())
        self.start = start
        self.every_n_steps = every_n_steps
        self.first = 0

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Work out the first step that counts."""
        super().on_fit_start(trainer, pl_module)
        self.first = min(int(self.start * trainer.max_steps), trainer.max_steps - 1)

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        """Return whether the step that was just taken counts."""
        if step_idx is None or step_idx < self.first:
            return False
        return (
            bool(self.averaged.n_averaged == 0)
            or step_idx + 1 - self._latest_update_step >= self.every_n_steps
        )
