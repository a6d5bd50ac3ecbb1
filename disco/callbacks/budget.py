"""Stop when what a run may cost is spent."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import lightning as L

from disco.callbacks.amounts import duration
from disco.callbacks.shelf import size_of
from disco.callbacks.together import agreed, say
from disco.core.ranges import PositiveFloat, PositiveInt
from disco.errors import DiscoError


class Budget(L.Callback):
    """Ends training in good order after the step that spends a limit; the run can go on with a higher one.

    Time counts over all parts of a run that was interrupted. A last validation round and the last
    save come on top.

    Args:
        hours: of wall time.
        gpu_hours: wall time by the number of processes.
        steps: optimiser steps, where the schedule is meant for more.
        disk_gb: what the run folder holds, in 10^9 bytes; looked at once a second at most.
    """

    def __init__(
        self,
        *,
        hours: PositiveFloat | None,
        gpu_hours: PositiveFloat | None,
        steps: PositiveInt | None,
        disk_gb: PositiveFloat | None,
    ) -> None:
        super().__init__()
        self.hours = hours
        self.gpu_hours = gpu_hours
        self.steps = steps
        self.disk_gb = disk_gb
        self.spent = 0.0
        self.since: float | None = None
        self.looked = 0.0
        self.step = 0

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Begin anew; what a resumed run has spent comes after."""
        self.spent, self.since, self.looked = 0.0, None, 0.0

    def state_dict(self) -> dict[str, Any]:
        """Return the seconds spent."""
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the seconds spent."""
        self.spent = state_dict["seconds"]

    @property
    def seconds(self) -> float:
        """Wall time of all parts of the run."""
        return self.spent + (0.0 if self.since is None else time.monotonic() - self.since)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock.

        Raises:
            DiscoError: the run goes on with nothing left.
        """
        self.since = time.monotonic()
        self.step = trainer.global_step
        if reason := self._over(trainer):
            raise DiscoError(f"the budget is spent: {reason}", do="raise the limit in callbacks.budget")

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop when a limit is reached and the step is complete."""
        stepped, self.step = trainer.global_step != self.step, trainer.global_step
        if not stepped or trainer.should_stop:
            return
        reason = self._over(trainer)
        if agreed(trainer, wish=bool(reason)):
            trainer.should_stop = True
            say(
                trainer,
                f"budget: {reason or 'another process has spent it'}; to go on raise the limit in "
                f"callbacks.budget and give resume={trainer.default_root_dir}",
            )

    def _over(self, trainer: L.Trainer) -> str:
        seconds = self.seconds
        if self.hours is not None and seconds >= 3600 * self.hours:
            return f"{duration(seconds)} of callbacks.budget.hours={self.hours}"
        if self.gpu_hours is not None and seconds * trainer.world_size >= 3600 * self.gpu_hours:
            return (
                f"{duration(seconds)} on {trainer.world_size} of callbacks.budget.gpu_hours={self.gpu_hours}"
            )
        if self.steps is not None and trainer.global_step >= self.steps:
            return f"step {trainer.global_step:,} of callbacks.budget.steps={self.steps:,}"
        if self.disk_gb is not None and time.monotonic() - self.looked >= 1.0:
            self.looked = time.monotonic()
            size = size_of(Path(trainer.default_root_dir)) / 1e9
            if size >= self.disk_gb:
                return f"the run folder holds {size:.3g} GB of callbacks.budget.disk_gb={self.disk_gb}"
        return ""
