"""A run that can be stopped after any step, with everything in it that has a state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor

from disco.callbacks.checkpoint import Checkpoint
from disco.callbacks.ema import Ema
from disco.callbacks.guard import Guard
from disco.callbacks.signals import Signals
from disco.core.batch import AudioBatch, Conditions
from disco.core.checkpoint_io import SafeCheckpoints
from disco.core.contracts import seeded
from disco.core.datamodule import MusicData
from disco.core.record import Record
from disco.core.views import AudioView
from disco.optim.adamw import AdamW
from disco.optim.schedules import Cosine
from tests.callbacks.toy_models import ToyAudio

RATE = 100
ITEMS, BATCH, ACCUMULATE = 51, 2, 2  # 25 batches an epoch, so that its last window is half as long


class Tones(torch.utils.data.Dataset):
    """Tones of several pitches, varied at random by (seed, epoch, index)."""

    def __len__(self) -> int:
        return ITEMS

    def __getitem__(self, key: tuple[int, int]) -> tuple[int, Tensor]:
        epoch, index = key
        time = torch.arange(RATE) / RATE
        gain = torch.rand((), generator=seeded(0, epoch, index))
        return index, gain * torch.sin(2 * torch.pi * (3 + index) * time)[None]


class ToneData(MusicData):
    """The data module's own loader over tones."""

    def records(self, split: str) -> list[Record]:
        return []

    def dataset(self, split: str) -> Tones:
        return Tones()

    def collate(self, items: list[Any]) -> AudioBatch:
        wave = torch.stack([tone for _, tone in items])
        return AudioBatch(
            wave=wave,
            valid=torch.full((len(items),), RATE),
            rate=RATE,
            conditions=Conditions(text=(None,) * len(items)),
        )


class Learner(ToyAudio):
    """A layer behind dropout, and losses that are written down."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.full((RATE,), 0.1))
        self.recipe = AdamW(
            lr=0.02, betas=[0.9, 0.99], weight_decay=0.01, eps=1e-8, fused=False,
            clip_norm=1.0, schedule=Cosine(warmup=5, final=0.1), site_rates={}, layer_decay=1.0,
        )  # fmt: skip
        self.losses: dict[int, float] = {}

    @property
    def view(self) -> AudioView:
        return AudioView(rate=RATE, channels=1, seconds=1.0)

    def training_step(self, batch: AudioBatch, batch_index: int) -> Tensor:
        loss = super().training_step(batch, batch_index)
        self.losses[self.trainer.fit_loop.total_batch_idx] = float(loss.detach())
        return loss

    def validation_step(self, batch: AudioBatch, batch_index: int) -> None:
        torch.rand(1)  # what validation draws is no concern of training
        super().validation_step(batch, batch_index)


class Leave(L.Callback):
    """Leaves after a step: by a death that nothing hears of, or in good order."""

    def __init__(self, step: int, *, kill: bool) -> None:
        self.step, self.kill = step, kill

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.global_step == self.step:
            if self.kill:
                raise Killed
            trainer.should_stop = True


class Killed(BaseException):
    """Nothing catches it."""


def run(
    folder: Path,
    *,
    steps: int,
    stop: int | None = None,
    resume: bool = False,
    workers: int = 0,
    kill: bool = True,
    every: int = 1000,
) -> Learner:
    """Train, or begin and be killed after `stop` steps; return the model as it is then.

    It saves every so many steps, and at the step after which it is killed.
    """
    L.seed_everything(0 if not resume else 99, verbose=False)
    module = Learner()
    leave = [] if stop is None else [Leave(stop, kill=kill)]
    every = stop if stop and kill else every
    keeper = Checkpoint(
        every_n_steps=every, every_minutes=None, monitor="val/loss", mode="min", top_k=0, milestones=[],
        disk_gb=None,
    )  # fmt: skip
    trainer = L.Trainer(
        default_root_dir=folder, accelerator="cpu", max_steps=steps, accumulate_grad_batches=ACCUMULATE,
        callbacks=[Guard(spike=30.0, in_a_row=5), keeper, Signals(), *leave, Ema(decay=0.9, power=0.75)],
        logger=False, enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
        log_every_n_steps=1, num_sanity_val_steps=1, val_check_interval=14, check_val_every_n_epoch=None,
        limit_val_batches=1, use_distributed_sampler=False, plugins=[SafeCheckpoints()],
    )  # fmt: skip
    data = ToneData(batch_size=BATCH, num_workers=workers, seed=3).serve(module.view)
    last = folder / "checkpoints" / "last.ckpt" if resume else None
    try:
        trainer.fit(module, datamodule=data, ckpt_path=last)
    except Killed:
        assert stop is not None
    return module
