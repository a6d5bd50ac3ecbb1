"""See how weights and gradients are spread, while a model trains."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from disco.callbacks.boards import has_board, show_histogram
from disco.core.ranges import PositiveInt


class Parameters(L.Callback):
    """Shows histograms of every parameter that moves, and of the gradient that moves it.

    Every `every_steps` steps, the first included, as `parameters/<name>` and `gradients/<name>` in
    TensorBoard or Weights & Biases. Gradients are as they come, before they are clipped; numbers that are
    not finite are left out, and how many they are is told as `gradients/<name>/not_finite`.

    Args:
        every_steps: optimiser steps between two rounds.
    """

    def __init__(self, *, every_steps: PositiveInt) -> None:
        super().__init__()
        self.every_steps = every_steps
        self.rounds: dict[int, int] = {}  # the last one of each optimiser: a critic has its own

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start afresh."""
        self.rounds = {}

    def on_before_optimizer_step(
        self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Any
    ) -> None:
        """Show what this optimiser moves, if it is time."""
        step = trainer.global_step
        now = step // self.every_steps
        if not has_board(trainer) or self.rounds.get(id(optimizer)) == now:
            return
        self.rounds[id(optimizer)] = now
        moved = {id(p) for group in optimizer.param_groups for p in group["params"]}
        for name, parameter in pl_module.named_parameters():
            if id(parameter) in moved and parameter.requires_grad:
                _show(trainer, f"parameters/{name}", parameter, step)
                if parameter.grad is not None:
                    _show(trainer, f"gradients/{name}", parameter.grad, step)


@torch.no_grad()
def _show(trainer: L.Trainer, tag: str, values: Tensor, step: int) -> None:
    whole = values.full_tensor() if isinstance(values, DTensor) else values  # every process takes part
    if not trainer.is_global_zero:
        return
    whole = whole.detach().float().flatten()
    known = whole[whole.isfinite()]
    if len(known) < len(whole):
        count = {f"{tag}/not_finite": float(len(whole) - len(known))}
        for logger in trainer.loggers:
            logger.log_metrics(count, step)
    if len(known):
        show_histogram(trainer, tag, known.cpu().numpy(), step)
