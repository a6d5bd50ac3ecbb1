"""Leaving in good order: Ctrl-C, SIGTERM and a cluster's warning save between two steps."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import lightning as L

from disco.callbacks.checkpoint import keeper_of
from disco.callbacks.requeue import WARNINGS, job_of, requeue
from disco.callbacks.together import agreed, say

CAUGHT = (signal.SIGINT, signal.SIGTERM, *WARNINGS)
NAMES = {signal.SIGINT: "Ctrl-C"}


class Interrupted(SystemExit):
    """Ends the program with the code that shells expect: 128 and the number of the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)


class Signals(L.Callback):
    """Saves at the next batch boundary after an optimiser step, says how to go on, and leaves.

    The exit code is 130 after Ctrl-C, 143 after SIGTERM. A second signal leaves at once, without
    saving. While validating it saves between two validation batches.

    SIGUSR1 and SIGUSR2 are a cluster's warning that the time is up: after the save SLURM is asked to
    queue the job again, by the handler that submitit has put there or else directly. SIGTERM alone, as of
    `scancel`, ends the job for good; it comes more than once there, and hurries nothing: SLURM's own end
    does.
    """

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.step = 0
        self.stepped = False  # by the last batch: no gradients are being accumulated
        self.before: dict[int, Any] = {}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Listen; a SIGTERM or warning that came while the run was being set up counts."""
        self.number = int(signal.SIGTERM) if trainer.received_sigterm else 0
        self.step, self.stepped = trainer.global_step, False
        if threading.current_thread() is threading.main_thread():
            self.before = {int(number): signal.signal(number, self._note) for number in CAUGHT}
            signal.pthread_sigmask(signal.SIG_UNBLOCK, WARNINGS)  # one that has waited comes now

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
            if number in WARNINGS:
                self.number = number  # a job that is to make room hears SIGTERM first
            elif number != signal.SIGTERM or job_of(os.environ) is None:  # SLURM sends it by several ways
                os._exit(128 + number)  # the user has decided; nothing may hold this up
            return
        self.number = number
        name = NAMES.get(signal.Signals(number), signal.Signals(number).name)
        more = "" if number in WARNINGS else "; once more leaves at once"
        os.write(2, f"\n{name}: saving after this step{more}\n".encode())

    def _leave(self, trainer: L.Trainer) -> None:
        warned = trainer.strategy.reduce_boolean_decision(self.number in WARNINGS, all=False)
        number = self.number or int(signal.SIGTERM)  # another process was told, this one was not
        if warned and number not in WARNINGS:
            number = int(signal.SIGUSR1)
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
        if warned:
            try:
                if trainer.is_global_zero:
                    _ask_again([self.before.get(int(warning)) for warning in WARNINGS], number)
            finally:  # SLURM ends a job of which one process has left
                trainer.strategy.barrier("asked for another turn")
        raise Interrupted(number)

    def _restore(self) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
        self.before = {}


def _ask_again(handlers: Sequence[Any], number: int) -> None:
    """Have the job queued again; a handler of Lightning would save once more, from within the signal."""
    for handler in handlers:
        lightnings = type(handler).__module__.startswith("lightning.")
        if isinstance(handler, Callable) and not lightnings:
            handler(number, None)
            return
    if job := job_of(os.environ):
        requeue(job)


def how_to_go_on(arguments: list[str], folder: Path) -> str:
    """Return the command that continues the run of a folder."""
    program, *words = arguments
    if Path(program).name != "train.py" or {"-m", "--multirun"} & set(words):
        return shlex.join(["python", "train.py", f"resume={folder}"])  # the folder knows its own words
    kept = [word for word in words if not word.startswith(("resume=", "hydra.run.dir="))]
    return shlex.join(["python", program, *kept, f"resume={folder}"])
