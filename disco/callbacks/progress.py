"""Where a training run stands: a bar in a terminal, plain lines in a log."""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from contextlib import suppress
from typing import Any, TextIO

import lightning as L
import torch
from lightning.pytorch.callbacks import Timer
from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bar
from rich.table import Column

from disco.callbacks.amounts import amount_of, duration
from disco.core.ranges import PositiveFloat

WINDOW = 20.0  # seconds over which speed is averaged
WAITING = 0.1  # share of waiting for data from which on it is shown
FIRST_LINES = 1.0  # seconds after which a log gets its first line, so that a broken run shows early


class Progress(L.Callback):
    """Shows stage, step, losses, speed and the time that is left; on the first process only.

    A terminal gets a bar, renewed ten times a second at most; anything else gets a line every
    `every_seconds`, and a last one at the end. Where `throughput` finds that training waits for its
    data, the share of waiting is shown too.

    Args:
        label: the name of the stage.
        every_seconds: between two lines of a log.
    """

    def __init__(self, *, label: str, every_seconds: PositiveFloat) -> None:
        super().__init__()
        self.label = label
        self.every_seconds = every_seconds
        self.stream: TextIO = sys.stderr
        self.speed = _Speed()
        self.due = 0.0
        self.began = 0.0
        self.unit = ""
        self.bar: Bar | None = None
        self.task = TaskID(0)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        self.stream = sys.stderr
        self.began = time.monotonic()
        self.due = self.began + (0.0 if self.stream.isatty() else FIRST_LINES)
        self.speed = _Speed()
        self.speed.add(self.began, trainer.global_step, torch.zeros(()))
        if trainer.is_global_zero and self.stream.isatty():
            self.bar = bar_on(Console(file=self.stream, force_terminal=True), room=len(self.label))
            self.task = self.bar.add_task(self.label, total=_total_steps(trainer) or None, facts="")
            self.bar.start()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count what went through, and show it when due."""
        amount, self.unit = amount_of(batch)
        now = time.monotonic()
        self.speed.add(now, trainer.global_step, amount * trainer.world_size)
        self._show(trainer, now, self.label)

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Say that validation is under way."""
        self._show(trainer, time.monotonic(), f"{self.label}, validating")

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Leave a last line that stays."""
        self.due = 0.0
        self._show(trainer, time.monotonic(), f"{self.label} done", last=True)

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        """Leave the terminal on a fresh line for the error."""
        self._close()

    def _show(self, trainer: L.Trainer, now: float, stage: str, *, last: bool = False) -> None:
        if not trainer.is_global_zero or trainer.sanity_checking or now < self.due:
            return
        parts = self._parts(trainer, now, last=last)
        if self.bar is None:
            self.due = now + self.every_seconds
            with suppress(OSError):  # a log on a full disk ends, the training does not
                self.stream.write(" · ".join([stage, *parts]) + "\n")
                self.stream.flush()
            return
        self.due = now + 0.1
        facts = " · ".join(parts)
        self.bar.update(
            self.task, completed=trainer.global_step, description=stage, facts=facts, refresh=True
        )
        if last:
            self._close()

    def _close(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def _parts(self, trainer: L.Trainer, now: float, *, last: bool) -> list[str]:
        step, total = trainer.global_step, _total_steps(trainer)
        parts = [f"step {step:,}/{total:,}" if total else f"step {step:,}"]
        for name, key in (("loss", "train/loss"), ("val", "val/loss")):
            if key in trainer.callback_metrics:
                parts.append(f"{name} {float(trainer.callback_metrics[key]):.4g}")
        if last:
            return [*parts, f"took {duration(now - self.began)}"]
        steps, amount = self.speed.per_second()
        if steps > 0:
            parts.append(f"{steps:.3g} steps/s")
            parts.append(f"{amount:,.0f} {self.unit}/s" if amount >= 100 else f"{amount:.3g} {self.unit}/s")
            waiting = float(trainer.callback_metrics.get("speed/data_wait", 0.0))
            if waiting >= WAITING:
                parts.append(f"{waiting:.0%} waiting for data")
            limits = _time_left(trainer) + ([(total - step) / steps] if total else [])
            if limits:
                parts.append(f"{duration(min(limits))} left")
        return parts


class _Speed:
    """Steps and amounts per second over the last seconds; amounts stay on their device until asked for."""

    def __init__(self) -> None:
        self.marks: deque[tuple[float, int, torch.Tensor]] = deque()

    def add(self, now: float, step: int, amount: torch.Tensor) -> None:
        self.marks.append((now, step, amount))
        while now - self.marks[0][0] > WINDOW and len(self.marks) > 2:
            self.marks.popleft()

    def per_second(self) -> tuple[float, float]:
        marks = list(self.marks)
        span = marks[-1][0] - marks[0][0]
        if span <= 0:
            return 0.0, 0.0
        amount = float(torch.stack([mark[2].float() for mark in marks[1:]]).sum())
        return (marks[-1][1] - marks[0][1]) / span, amount / span


def bar_on(console: Console, *, room: int) -> Bar:
    """Return a bar for a terminal; it is drawn only when told, and lines printed meanwhile stand above it."""
    return Bar(
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, min_width=room)),
        BarColumn(bar_width=12),
        TextColumn(
            "{task.fields[facts]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")
        ),
        console=console,
        auto_refresh=False,
    )


def _total_steps(trainer: L.Trainer) -> int:
    total = trainer.estimated_stepping_batches
    return int(total) if math.isfinite(total) else 0


def _time_left(trainer: L.Trainer) -> list[float]:
    """What the trainer's own time limits leave."""
    timers = [callback for callback in trainer.callbacks if isinstance(callback, Timer)]  # type: ignore[attr-defined]
    return [left for timer in timers if (left := timer.time_remaining()) is not None]
