"""What ends a training from outside, said in words: memory, loader processes, other processes of the run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from disco.errors import DiscoError

if TYPE_CHECKING:
    import lightning as L

MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "bad_alloc", "unable to allocate")
PEER = ("connection closed by peer", "connection reset by peer", "broken pipe", "remote process exited")
LOADER = "dataloader worker"


@contextmanager
def in_words(cfg: DictConfig, trainer: L.Trainer) -> Iterator[None]:
    """Say what happened, and how to go on.

    Raises:
        DiscoError: memory ran out, or a process that belongs to the run is gone.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        told = _told(error, cfg, trainer)
        if told is None:
            raise
        raise told from error


def _told(error: Exception, cfg: DictConfig, trainer: L.Trainer) -> DiscoError | None:
    text = str(error).lower()
    go_on = f"then go on with resume={cfg.run_dir}"
    if isinstance(error, MemoryError) or any(sign in text for sign in MEMORY):
        size, windows = cfg.data.batch_size, cfg.trainer.accumulate_grad_batches
        return DiscoError(
            f"out of memory at step {trainer.global_step + 1:,} with data.batch_size={size}: {_line(error)}",
            do=f"halve data.batch_size and double trainer.accumulate_grad_batches={windows}, which comes to "
            f"the same, or see what fits with plan=only; {go_on}",
        )
    if LOADER in text:
        return DiscoError(
            f"a loader process died at step {trainer.global_step + 1:,}: {_line(error)}",
            do=f"look for little memory or a broken file, or set data.num_workers=0; {go_on}",
        )
    if trainer.world_size > 1 and any(sign in text for sign in PEER):
        return DiscoError(
            f"another of the {trainer.world_size} processes is gone at step {trainer.global_step + 1:,}",
            do=f"look at its last lines, if it wrote any; {go_on}",
        )
    return None


def _line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200]
