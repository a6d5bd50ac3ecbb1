"""Stop when a measure no longer gets better."""

from __future__ import annotations

from typing import ClassVar, Literal

import lightning as L
from lightning.pytorch import callbacks

from disco.callbacks.monitor import Monitor
from disco.callbacks.together import say
from disco.core.ranges import NaturalFloat, PositiveInt


class EarlyStopping(callbacks.EarlyStopping, Monitor):
    """Lightning's early stopping, with its patience counted in validation rounds.

    Args:
        monitor: validation measure.
        mode: whether the lowest ("min") or the highest ("max") value is best.
        patience: rounds in a row that may pass without a better value.
        min_delta: what counts as better.
    """

    name: ClassVar[str] = "early_stopping"

    def __init__(
        self, *, monitor: str, mode: Literal["min", "max"], patience: PositiveInt, min_delta: NaturalFloat
    ) -> None:
        super().__init__(
            monitor, mode=mode, patience=patience, min_delta=min_delta, check_on_train_epoch_end=False
        )

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Count a round that was measured, and stop when patience is at its end.

        Raises:
            DiscoError: the measure is not logged.
        """
        if self._should_skip_check(trainer) or not self.fresh(trainer):
            return
        self.measured(trainer)
        stopping = trainer.should_stop
        super().on_validation_end(trainer, pl_module)
        if trainer.should_stop and not stopping:
            say(
                trainer,
                f"early_stopping: {self.monitor} was best at {float(self.best_score):.4g} "
                f"and has not got better for {self.wait_count} rounds",
            )
