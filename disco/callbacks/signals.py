"""Leaving in good order: Ctrl-C, SIGTERM and SIGUSR1 save between two steps."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import lightning as L

from disco.callbacks.checkpoint import keeper_of
from disco.callbacks.together import agreed, say

CAUGHT = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
NAMES = {signal.SIGINT: "Ctrl-C"}


class Interrupted(SystemExit):
    """Ends the program with the code that shells expect: 128 and the number of the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)


class Signals(L.Callback):
    """Saves at the next batch boundary after an optimiser step, says how to go on, and leaves.

    The exit code is 130 after Ctrl-C, 143 after SIGTERM. A second signal leaves at once, without
    saving. While validating it saves between two validation batches. A handler that was there for
    SIGUSR1, as on a SLURM cluster that starts the job again, is called after the save.
    """

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.step = 0
        self.stepped = False  # by the last batch: no gradients are being accumulated
        self.before: dict[int, Any] = {}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Listen; a SIGTERM that came while the run was being set up counts."""
        self.number = int(signal.SIGTERM) if trainer.received_sigterm else 0
        self.step, self.stepped = trainer.global_step, False
        if threading.current_thread() is threading.main_thread():
            self.before = {int(number): signal.signal(number, self._note) for number in CAUGHT}

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Leave if a signal came; gradients that are being accumulated are awaited."""
        self.stepped, self.step = trainer.global_step != self.step, trainer.global_step
        if self.stepped and agreed(trainer, wish=self.number > 0):
            self._leave(trainer)

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Leave if a signal came; the validation round is begun again when the run goes on."""
        if self.stepped and agreed(trainer, wish=self.number > 0):
            self._leave(trainer)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Listen no more."""
        self._restore()

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        """Listen no more."""
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.number:
            os._exit(128 + number)  # the user has decided; nothing may hold this up
        self.number = number
        name = NAMES.get(signal.Signals(number), signal.Signals(number).name)
        os.write(2, f"\n{name}: saving after this step; once more leaves at once\n".encode())

    def _leave(self, trainer: L.Trainer) -> None:
        number = self.number or int(signal.SIGTERM)  # another process was told, this one was not
        keeper = keeper_of(trainer)
        if keeper is None:
            say(
                trainer,
                f"stopped at step {trainer.global_step:,}; nothing is saved without callbacks=[checkpoint]",
            )
        else:
            keeper.save(trainer)
            folder = Path(trainer.default_root_dir)
            say(
                trainer,
                f"saved at step {trainer.global_step:,}; go on with: {how_to_go_on(sys.argv, folder)}",
            )
        requeue = self.before.get(signal.SIGUSR1)
        if number == signal.SIGUSR1 and isinstance(requeue, Callable):
            requeue(number, None)
        raise Interrupted(number)

    def _restore(self) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
        self.before = {}


def how_to_go_on(arguments: list[str], folder: Path) -> str:
    """Return the command that continues the run of a folder."""
    kept = [word for word in arguments if not word.startswith(("resume=", "hydra.run.dir="))]
    return shlex.join(["python", *kept, f"resume={folder}"])
