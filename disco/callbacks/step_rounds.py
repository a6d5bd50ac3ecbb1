"""What is looked at every so many steps, always on the same first items."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import lightning as L
import torch

from disco.core.batch import Batch
from disco.core.ranges import PositiveInt


class StepRounds(L.Callback):
    """Makes a round every `every_steps` optimiser steps, and a last one at the end."""

    def __init__(self, *, every_steps: PositiveInt) -> None:
        super().__init__()
        self.every_steps = every_steps
        self.last_step = 0
        self.first_batch: Batch | None = None

    @abstractmethod
    def make_round(self, trainer: L.Trainer, module: L.LightningModule, step: int) -> None:
        """Look at the model as it is after `step`."""

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start afresh, from the step that a resumed run has reached; a second fit has its own data."""
        self.last_step = trainer.global_step
        self.first_batch = None

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Make a round when its step has come; several batches may share one step."""
        step = trainer.global_step
        if step // self.every_steps > self.last_step // self.every_steps:
            self._round(trainer, pl_module, step)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Make a last round, unless the last step just had one."""
        if trainer.global_step != self.last_step:
            self._round(trainer, pl_module, trainer.global_step)

    def batch(self, trainer: L.Trainer) -> Batch:
        """Return the first validation batch, or of training where there is none; always the same."""
        if self.first_batch is None:
            source = trainer.val_dataloaders or trainer.train_dataloader
            assert source is not None, "a model that is trained has data"
            with torch.random.fork_rng([]):  # a loader of PyTorch's own draws a seed
                self.first_batch = next(iter(source))
        return self.first_batch

    def _round(self, trainer: L.Trainer, module: L.LightningModule, step: int) -> None:
        self.last_step = step
        self.make_round(trainer, module, step)
