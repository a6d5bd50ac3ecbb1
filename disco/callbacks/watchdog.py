"""An end to runs in which nothing moves any more."""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import lightning as L

from disco.core.files import write_text
from disco.core.ranges import PositiveFloat

FILE = "heartbeat.json"
CODE = 75  # of the exit: what sysexits.h calls a temporary failure


class Watchdog(L.Callback):
    """Ends the process when a batch takes far too long, and says where each of its threads stands.

    A device that hangs, a process that waits for one that is gone, a file system that does not answer: the
    last checkpoint is good, and an exit with code 75 lets a cluster start the job again. `heartbeat.json`
    in the run folder tells from outside that a run is alive: its step, what it does, since how many seconds.

    Args:
        minutes: most for a batch of training or validation, with its data, checkpoint and samples.
        first_minutes: the same for the first batch of a fit.
        beat_seconds: between two looks and two beats.
    """

    def __init__(
        self, *, minutes: PositiveFloat, first_minutes: PositiveFloat, beat_seconds: PositiveFloat
    ) -> None:
        super().__init__()
        self.minutes = minutes
        self.first_minutes = first_minutes
        self.beat_seconds = beat_seconds
        self.doing = ""
        self.step = 0
        self.since = 0.0
        self.patience = 0.0
        self.over: threading.Event | None = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Begin to watch."""
        self._stop()
        self._moves(trainer, "the first batch", self.first_minutes)
        self.over = threading.Event()
        folder = Path(trainer.default_root_dir) if trainer.is_global_zero else None
        threading.Thread(target=self._watch, args=(self.over, folder), name="watchdog", daemon=True).start()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """See that it moves."""
        self._moves(trainer, "training", self.minutes)

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """See that it moves."""
        self._moves(trainer, "validating", self.minutes)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """See that it moves."""
        self._moves(trainer, "training", self.minutes)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Watch no more."""
        self._stop()

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        """Watch no more."""
        self._stop()

    def _moves(self, trainer: L.Trainer, doing: str, minutes: float) -> None:
        self.doing, self.step = doing, trainer.global_step
        self.since, self.patience = time.monotonic(), 60 * minutes

    def _stop(self) -> None:
        if self.over is not None:
            self.over.set()
            self.over = None

    def _watch(self, over: threading.Event, folder: Path | None) -> None:
        while not over.wait(self.beat_seconds):
            still = time.monotonic() - self.since
            if folder is not None:
                self._beat(folder, still)
            if still > self.patience and not over.is_set():
                self._end(still)

    def _beat(self, folder: Path, still: float) -> None:
        told = {
            "step": self.step,
            "doing": self.doing,
            "seconds": round(still, 1),
            "at": time.time(),
            "pid": os.getpid(),
        }
        with suppress(OSError):  # a full disk is told by others
            write_text(folder / FILE, json.dumps(told))

    def _end(self, still: float) -> None:
        sys.stderr.write(
            f"error: nothing has moved for {still:.0f} s while {self.doing} after step {self.step:,}; see "
            "where each thread stands, then go on from the last checkpoint with resume=…\n"
        )
        sys.stderr.flush()
        with suppress(OSError, ValueError):  # a terminal that is none
            faulthandler.dump_traceback(sys.stderr, all_threads=True)
        os._exit(CODE)  # the main thread hears of nothing else
