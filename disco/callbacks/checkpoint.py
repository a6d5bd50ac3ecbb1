"""Checkpoints: the last one for going on, the best weights for using."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import lightning as L

from disco.core.files import save_tensors
from disco.core.module import GenerativeModule
from disco.core.ranges import PositiveInt
from disco.errors import DiscoError


class Checkpoint(L.Callback):
    """Keeps `checkpoints/last.ckpt` and `checkpoints/best.safetensors` in the run folder.

    Args:
        every_n_steps: how often the last checkpoint is renewed; also at the end and on an interrupt.
        monitor: validation measure of which the lowest is best.
    """

    def __init__(self, *, every_n_steps: PositiveInt, monitor: str) -> None:
        self.every_n_steps = every_n_steps
        self.monitor = monitor
        self.best = math.inf
        self._saved = -1

    def state_dict(self) -> dict[str, Any]:
        """Return the best value so far."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the best value so far."""
        self.best = state_dict["best"]

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Renew the last checkpoint now and then."""
        if trainer.global_step % self.every_n_steps == 0:
            self._save(trainer)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep the weights if they are the best so far."""
        assert isinstance(pl_module, GenerativeModule)
        value = trainer.callback_metrics.get(self.monitor)
        if trainer.sanity_checking or value is None:
            return
        if not math.isfinite(value):
            raise DiscoError(f"{self.monitor} is {float(value)}", do="lower optim.lr, or look at the data")
        if value < self.best:
            self.best = float(value)
            if trainer.is_global_zero:
                save_tensors(folder(trainer) / "best.safetensors", pl_module.network_state())

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save the end."""
        self._save(trainer)

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        """Save on an interrupt, between two steps."""
        if isinstance(exception, KeyboardInterrupt) and trainer.global_step > 0:
            self._save(trainer)

    def _save(self, trainer: L.Trainer) -> None:
        if trainer.global_step == self._saved:
            return
        self._saved = trainer.global_step
        draft = folder(trainer) / ".last.ckpt.draft"
        draft.parent.mkdir(parents=True, exist_ok=True)
        trainer.save_checkpoint(draft)
        if trainer.is_global_zero:
            draft.replace(folder(trainer) / "last.ckpt")


def folder(trainer: L.Trainer) -> Path:
    """Return where a run keeps its checkpoints."""
    return Path(trainer.default_root_dir) / "checkpoints"
