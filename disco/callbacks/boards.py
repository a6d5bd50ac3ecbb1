"""Sound, pictures and histograms on the boards of a run: TensorBoard, Weights & Biases."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import lightning as L
import numpy as np
from jaxtyping import Float32, UInt8
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger

from disco.audio.clip import Clip
from disco.callbacks.tensorboard import add_clip, add_picture


def show_clip(trainer: L.Trainer, tag: str, clip: Clip, step: int) -> None:
    """Log a clip with all its channels on every board of the run; samples beyond full scale are cut."""
    wave = clip.wave.detach().cpu().float().clamp(-1.0, 1.0)
    for board in trainer.loggers:
        if isinstance(board, TensorBoardLogger):
            _try(board, lambda board=board: add_clip(board.experiment, tag, Clip(wave, clip.rate), step))
        elif isinstance(board, WandbLogger):
            board.log_audio(tag, [wave.T.numpy()], step, sample_rate=[clip.rate])


def show_picture(trainer: L.Trainer, tag: str, picture: UInt8[np.ndarray, "h w 3"], step: int) -> None:
    """Log a picture on every board of the run."""
    for board in trainer.loggers:
        if isinstance(board, TensorBoardLogger):
            _try(board, lambda board=board: add_picture(board.experiment, tag, picture, step))
        elif isinstance(board, WandbLogger):
            board.log_image(tag, [picture], step)


def show_histogram(trainer: L.Trainer, tag: str, values: Float32[np.ndarray, "n"], step: int) -> None:
    """Log how finite numbers are spread, on every board of the run."""
    for board in trainer.loggers:
        if isinstance(board, TensorBoardLogger):
            _try(board, lambda board=board: board.experiment.add_histogram(tag, values, step))
        elif isinstance(board, WandbLogger):
            wandb = import_module("wandb")  # an extra
            board.log_metrics({tag: wandb.Histogram(values)}, step)


def has_board(trainer: L.Trainer) -> bool:
    """Say whether anything would show a picture or a histogram."""
    return any(isinstance(board, TensorBoardLogger | WandbLogger) for board in trainer.loggers)


def _try(board: Logger, work: Callable[[], Any]) -> None:
    """Let a board that may fail without the training do so."""
    attempt = getattr(board, "attempt", None)
    if attempt is None:
        work()
    else:
        attempt(work)
