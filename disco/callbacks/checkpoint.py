"""Checkpoints: the last one for going on, the best weights for using."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import lightning as L

from disco.callbacks.monitor import Monitor
from disco.callbacks.shelf import Shelf
from disco.callbacks.together import agreed, say
from disco.core.checkpoint_io import SafeCheckpoints
from disco.core.files import LAST, link
from disco.core.module import GenerativeModule
from disco.core.ranges import NaturalInt, PositiveFloat, PositiveInt
from disco.core.sharding import gathered, is_sharded
from disco.core.tensors import save_tensors
from disco.drafts import durable
from disco.errors import DiscoError


class Checkpoint(Monitor):
    """Keeps `checkpoints/` in the run folder: `last.ckpt` and the one before, the best weights, milestones.

    A file appears whole or not at all. `last.ckpt` is written while training goes on, `previous.ckpt` is
    what it was before, for the day it is damaged. What was best (`best.safetensors`, `top/`) is read from
    the files when a run goes on. Weights that are no numbers are never written.

    Args:
        every_n_steps: optimiser steps after which `last.ckpt` is renewed; also at the end and on a signal.
        every_minutes: minutes after which it is renewed as well, at the end of a step.
        monitor: validation measure that decides what is best.
        mode: whether the lowest ("min") or the highest ("max") value is best.
        top_k: how many weights of the best validation rounds stay in `top/`.
        milestones: optimiser steps whose whole state stays in `milestones/` for good.
        disk_gb: what `checkpoints/` may hold, in 10^9 bytes: the worst of `top/` goes first, then no
            milestone is added; `last.ckpt` and `best.safetensors` always stay.
    """

    name: ClassVar[str] = "checkpoint"

    def __init__(
        self,
        *,
        every_n_steps: PositiveInt,
        every_minutes: PositiveFloat | None,
        monitor: str,
        mode: Literal["min", "max"],
        top_k: NaturalInt,
        milestones: Sequence[PositiveInt],
        disk_gb: PositiveFloat | None,
    ) -> None:
        super().__init__()
        self.every_n_steps = every_n_steps
        self.every_minutes = every_minutes
        self.monitor = monitor
        self.mode: Literal["min", "max"] = mode
        self.top_k = top_k
        self.milestones = milestones
        self.disk_gb = disk_gb
        self.shelf: Shelf | None = None
        self.told: set[str] = set()
        self._step = 0
        self._saved = -1
        self._due = math.inf
        self._over = False
        self._stepped = False  # by the last batch: no gradients are being accumulated

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Try to write before anything is trained.

        Raises:
            DiscoError: checkpoints could not be written here.
        """
        self._over = False
        if stage == "fit" and trainer.is_global_zero:
            probe(folder(trainer))

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Begin anew, or with what the folder holds when a run goes on."""
        limit = None if self.disk_gb is None else int(self.disk_gb * 1e9)
        self.shelf = Shelf(
            folder(trainer), monitor=self.monitor, mode=self.mode, top_k=self.top_k, limit=limit
        )
        if trainer.ckpt_path is not None:
            self.shelf.look()
        elif trainer.is_global_zero:
            self.shelf.clear()
        self.told = set()
        self._step, self._stepped = trainer.global_step, False
        self._saved = -1
        self._wait()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Renew the last checkpoint now and then; keep milestones."""
        if (io := writer(trainer)) is not None:
            io.look()
        before, step = self._step, trainer.global_step
        self._step, self._stepped = step, step > before
        due = self.every_minutes is not None and agreed(trainer, wish=time.monotonic() >= self._due)
        if not self._stepped:  # gradients are being accumulated, and no file holds those
            return
        passed = [milestone for milestone in self.milestones if before < milestone <= step]
        if due or passed or step // self.every_n_steps > before // self.every_n_steps:
            self.save(trainer, wait=bool(passed))
        if passed and trainer.is_global_zero:
            self._keep_milestone(trainer, step)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep the weights if they are among the best so far.

        Raises:
            DiscoError: the measure is not logged, or not a finite number.
        """
        assert isinstance(pl_module, GenerativeModule)
        if trainer.sanity_checking or self.shelf is None or not self.fresh(trainer):
            return
        value = self.measured(trainer)
        if not math.isfinite(value):
            raise DiscoError(f"{self.monitor} is {value}", do="lower optim.lr, or look at the data")
        wanted = trainer.is_global_zero and self.shelf.wants(value)
        if is_sharded(pl_module):
            wanted = trainer.strategy.broadcast(wanted)
        if not wanted:
            return
        state = gathered(pl_module.network_state(), keep=trainer.is_global_zero)
        if trainer.is_global_zero:
            self.shelf.put(trainer.global_step, value, lambda path, facts: save_tensors(path, state, facts))
            self._check_room(trainer, self.shelf)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save the end."""
        self._over = True
        self.save(trainer)

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        """Save on a Ctrl-C that nothing else has caught, where no step is half done: while validating."""
        if isinstance(exception, KeyboardInterrupt) and trainer.validating and self._stepped:
            self.save(trainer)

    def on_save_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Let the end of training look as any other step, so that a longer run can go on from it."""
        if self._over:
            reopen(checkpoint["loops"]["fit_loop"])
        begin_epoch(checkpoint["loops"]["fit_loop"]["epoch_progress"])

    def save(self, trainer: L.Trainer, *, wait: bool = True) -> None:
        """Renew `last.ckpt`, unless it holds this step already; all processes together.

        Args:
            trainer: between two steps; what happens within a step is in no file.
            wait: until it is on the disk.

        Raises:
            DiscoError: the disk is full, the folder cannot be written, or the weights are no numbers; the
                file that was there is untouched.
        """
        self._wait()
        io = writer(trainer)
        if trainer.global_step != self._saved:
            trainer.save_checkpoint(folder(trainer) / LAST, weights_only=False)
        if wait and io is not None:
            io.wait()
        self._saved = trainer.global_step

    def _wait(self) -> None:
        minutes = self.every_minutes
        self._due = math.inf if minutes is None else time.monotonic() + 60 * minutes

    def _keep_milestone(self, trainer: L.Trainer, step: int) -> None:
        assert self.shelf is not None
        last = folder(trainer) / LAST
        if self.shelf.has_room(last.stat().st_size):
            link(last, folder(trainer) / "milestones" / f"step-{step:07d}.ckpt")
        else:
            self._tell_once(trainer, "milestone", f"the milestone of step {step:,} is not kept")

    def _check_room(self, trainer: L.Trainer, shelf: Shelf) -> None:
        shelf.trim()
        if not shelf.has_room(0):
            self._tell_once(trainer, "full", "what must stay in checkpoints/ takes more")

    def _tell_once(self, trainer: L.Trainer, about: str, text: str) -> None:
        if about not in self.told:
            self.told.add(about)
            say(trainer, f"checkpoint: {text}: callbacks.checkpoint.disk_gb={self.disk_gb}")


def folder(trainer: L.Trainer) -> Path:
    """Return where a run keeps its checkpoints."""
    return Path(trainer.default_root_dir) / "checkpoints"


def writer(trainer: L.Trainer) -> SafeCheckpoints | None:
    """Return what writes the checkpoints; None where a trainer was built without it."""
    io = trainer.strategy.checkpoint_io
    return io if isinstance(io, SafeCheckpoints) else None


def keeper_of(trainer: L.Trainer) -> Checkpoint | None:
    """Return the callback that keeps the checkpoints of a run, if there is one."""
    callbacks: list[L.Callback] = trainer.callbacks  # type: ignore[attr-defined]  # where checkers do not look
    return next((one for one in callbacks if isinstance(one, Checkpoint)), None)


def probe(place: Path) -> None:
    """Write and remove a file, and what a killed run has left half written.

    Raises:
        DiscoError: nothing can be written there.
    """
    try:
        place.mkdir(parents=True, exist_ok=True)
        for draft in place.glob(".*.draft*"):
            draft.unlink()
        with durable(place / "probe") as draft:
            draft.write_bytes(b"a checkpoint could be here")
        (place / "probe").unlink()
    except OSError as error:
        raise DiscoError(
            f"checkpoints cannot be written to {place}: {error.strerror or error}",
            do="choose another folder with hydra.run.dir=…",
        ) from error


def reopen(loop: dict[str, Any]) -> None:
    """Take back that the trainer closed batch and epoch, as it does of the last step wherever that stands."""
    for counts, names in (
        (loop["epoch_progress"], ("processed", "completed")),
        (loop["epoch_loop.batch_progress"], ("completed",)),
    ):
        for name in names:
            for span in ("total", "current"):
                counts[span][name] -= 1


def begin_epoch(counts: dict[str, Any]) -> None:
    """Count the epoch of a save as begun: the trainer forgets to for the one that a resumed run begins with.

    Without it a run that is stopped at the end of an epoch, twice, sees that epoch again.
    """
    for span in ("total", "current"):
        counts[span]["ready"] = counts[span]["started"] = counts[span]["processed"] + 1
