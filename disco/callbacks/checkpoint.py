"""Checkpoints: the last one for going on, the best weights for using."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import lightning as L

from disco.callbacks.shelf import Shelf, link
from disco.callbacks.together import agreed, say
from disco.core.files import save_tensors
from disco.core.module import GenerativeModule
from disco.core.ranges import NaturalInt, PositiveFloat, PositiveInt
from disco.errors import DiscoError


class Checkpoint(L.Callback):
    """Keeps `checkpoints/` in the run folder: `last.ckpt`, `best.safetensors`, `top/` and `milestones/`.

    A file appears whole or not at all. What was best is read from the files when a run goes on.

    Args:
        every_n_steps: optimiser steps after which `last.ckpt` is renewed; also at the end and on a signal.
        every_minutes: minutes after which it is renewed as well.
        monitor: validation measure that decides what is best.
        mode: whether the lowest ("min") or the highest ("max") value is best.
        top_k: how many weights of the best validation rounds stay in `top/`.
        milestones: optimiser steps whose whole state stays in `milestones/` for good.
        disk_gb: what `checkpoints/` may hold, in 10^9 bytes: the worst of `top/` goes first, then no
            milestone is added; `last.ckpt` and `best.safetensors` always stay.
    """

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
        self._step = trainer.global_step
        self._saved = -1
        self._wait()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Renew the last checkpoint now and then; keep milestones."""
        before, step = self._step, trainer.global_step
        self._step = step
        due = self.every_minutes is not None and agreed(trainer, wish=time.monotonic() >= self._due)
        passed = [milestone for milestone in self.milestones if before < milestone <= step]
        if due or passed or step // self.every_n_steps > before // self.every_n_steps:
            self.save(trainer)
        if passed and trainer.is_global_zero:
            self._keep_milestone(trainer, step)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep the weights if they are among the best so far.

        Raises:
            DiscoError: the measure is not logged, or not a finite number.
        """
        assert isinstance(pl_module, GenerativeModule)
        if trainer.sanity_checking or self.shelf is None:
            return
        value = measured(trainer, self.monitor, "callbacks.checkpoint.monitor")
        if not math.isfinite(value):
            raise DiscoError(f"{self.monitor} is {value}", do="lower optim.lr, or look at the data")
        if trainer.is_global_zero and self.shelf.wants(value):
            state = pl_module.network_state()
            self.shelf.put(trainer.global_step, value, lambda path, facts: save_tensors(path, state, facts))
            self._check_room(trainer, self.shelf)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save the end."""
        self.save(trainer)

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        """Save on a Ctrl-C that nothing else has caught."""
        if isinstance(exception, KeyboardInterrupt) and trainer.global_step > 0:
            self.save(trainer)

    def save(self, trainer: L.Trainer) -> None:
        """Renew `last.ckpt`, unless it holds this step already; all processes together.

        Raises:
            DiscoError: the disk is full, or the folder cannot be written; the previous file is untouched.
        """
        self._wait()
        if trainer.global_step == self._saved:
            return
        draft = folder(trainer) / ".last.ckpt.draft"
        try:
            draft.parent.mkdir(parents=True, exist_ok=True)
            trainer.save_checkpoint(draft)
            if trainer.is_global_zero:
                draft.replace(folder(trainer) / "last.ckpt")
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise DiscoError(
                f"{folder(trainer) / 'last.ckpt'} cannot be written: {error.strerror or error}",
                do=f"make room, then go on with resume={trainer.default_root_dir}",
            ) from error
        self._saved = trainer.global_step

    def _wait(self) -> None:
        minutes = self.every_minutes
        self._due = math.inf if minutes is None else time.monotonic() + 60 * minutes

    def _keep_milestone(self, trainer: L.Trainer, step: int) -> None:
        assert self.shelf is not None
        last = folder(trainer) / "last.ckpt"
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


def measured(trainer: L.Trainer, name: str, key: str) -> float:
    """Return a logged measure.

    Raises:
        DiscoError: it is not logged; names those that are.
    """
    value = trainer.callback_metrics.get(name)
    if value is None:
        there = sorted(n for n in trainer.callback_metrics if n.startswith("val/"))
        raise DiscoError(f"{key}={name}: this run does not measure it", do=f"choose from {', '.join(there)}")
    return float(value)
