"""A run's curves as a plain file, for reports and for those who do without TensorBoard."""

from __future__ import annotations

import json
import math
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

import lightning as L

from disco.callbacks.together import say
from disco.core.ranges import PositiveInt

FILE = "history.jsonl"


class History(L.Callback):
    """Appends what was logged to `history.jsonl` in the run folder, one line per `every_steps` steps.

    A line holds `step`, `seconds` since this fit began, `lr`, and every training value of that step;
    after each validation a line holds `step`, `seconds` and the validation values. Values that are not
    finite are `null`. A resumed run appends; the later line of a step counts. A full disk ends the file
    and not the training.

    Args:
        every_steps: optimiser steps between two lines.
    """

    def __init__(self, *, every_steps: PositiveInt) -> None:
        super().__init__()
        self.every_steps = every_steps
        self.last_step = 0
        self.began = 0.0
        self.file: TextIO | None = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Open the file of the run folder; a resumed run has its step by now."""
        self.last_step = trainer.global_step
        self.began = time.monotonic()
        if trainer.is_global_zero:
            path = Path(trainer.default_root_dir) / FILE
            path.parent.mkdir(parents=True, exist_ok=True)
            self.file = path.open("a", encoding="utf-8")

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write the training values when their step has come."""
        step = trainer.global_step
        if step // self.every_steps > self.last_step // self.every_steps:
            self.last_step = step
            rates = {"lr": trainer.optimizers[0].param_groups[0]["lr"]} if trainer.optimizers else {}
            self._write(trainer, rates, skip=("val/",))

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the validation values."""
        if not trainer.sanity_checking:
            self._write(trainer, {}, skip=("train/", "speed/", "memory/", "disk/"))

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        """Close the file."""
        self._close()

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Close the file."""
        self._close()

    def _write(self, trainer: L.Trainer, extra: dict[str, float], *, skip: tuple[str, ...]) -> None:
        if self.file is None:
            return
        logged = {
            name: value for name, value in trainer.callback_metrics.items() if not name.startswith(skip)
        }
        row: dict[str, float | int | None] = {
            "step": trainer.global_step,
            "seconds": round(time.monotonic() - self.began, 3),
        }
        for name, value in sorted({**logged, **extra}.items()):
            number = float(value)
            row[name] = number if math.isfinite(number) else None
        try:
            self.file.write(json.dumps(row, allow_nan=False) + "\n")
            self.file.flush()
        except OSError as error:
            say(trainer, f"history: {FILE} ends here: {error.strerror or error}")
            self._close()

    def _close(self) -> None:
        if self.file is not None:
            with suppress(OSError):  # what could not be written before
                self.file.close()
            self.file = None
