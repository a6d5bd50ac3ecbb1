"""What the processes of a run say and decide as one."""

from __future__ import annotations

import sys
from contextlib import suppress

import lightning as L

STEPS = 8  # between two questions to the other processes, so that asking costs nothing


def say(trainer: L.Trainer, text: str) -> None:
    """Write one line to the terminal or the log, from the first process; a log on a full disk lacks it."""
    if trainer.is_global_zero:
        with suppress(OSError):
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()


def agreed(trainer: L.Trainer, *, wish: bool) -> bool:
    """Return whether any process wishes it: at once when there is one, every eighth step when there are more.

    Every process must ask at the same steps.
    """
    if trainer.world_size == 1:
        return wish
    if trainer.global_step % STEPS:
        return False
    return trainer.strategy.reduce_boolean_decision(wish, all=False)
