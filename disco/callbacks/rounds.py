"""The training loss of a validation round, to be held beside what the round measured."""

from __future__ import annotations

import lightning as L
import torch


class RoundLoss:
    """The mean of `train/loss` over the batches since the last round; stays on the device until asked for."""

    def __init__(self) -> None:
        self.sum: torch.Tensor | None = None
        self.count = 0

    def add(self, trainer: L.Trainer) -> None:
        """Count the loss of the batch that has just been trained on."""
        loss = trainer.callback_metrics.get("train/loss")
        if loss is not None:
            self.sum = loss.detach().float() + (0 if self.sum is None else self.sum)
            self.count += 1

    def take(self) -> float | None:
        """Return the mean and begin anew; None where nothing was trained on."""
        mean = None if self.sum is None else float(self.sum) / self.count
        self.sum, self.count = None, 0
        return mean
