"""The smallest models that train: enough for callbacks to hang on to."""

from typing import ClassVar

import lightning as L
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from symusic import Note, Track
from torch.utils.data import DataLoader

from disco.audio.clip import Clip
from disco.callbacks.checkpoint import Checkpoint
from disco.core.batch import AudioBatch, Conditions
from disco.core.checkpoint_io import SafeCheckpoints
from disco.core.module import GenerativeModule
from disco.core.outputs import Outputs
from disco.core.term import Term
from disco.core.views import AudioView
from disco.midi.score import Score

RATE = 16000


class Nearness(Term):
    """Squared distance of the wave to its reference."""

    needs = frozenset({"wave", "reference"})

    def forward(self, out, batch):
        return (out.wave - out.reference).square().mean()


class Adam:
    """A recipe in two lines."""

    clip_norm = 1.0

    def build(self, module, total_steps):
        optimizer = torch.optim.Adam(module.parameters(), lr=0.05)
        return optimizer, torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)


class Toy(GenerativeModule):
    """Scales a wave by one learned number."""

    accepts = (AudioBatch,)
    offers = frozenset({"wave", "reference"})
    sites: ClassVar[dict[str, str]] = {}

    def __init__(self):
        super().__init__(terms={"near": Nearness(weight=1.0)}, recipe=Adam())
        self.gain = torch.nn.Parameter(torch.zeros(()))
        self.dropout = torch.nn.Dropout(0.5)
        self.fresh = False  # there is nothing to survey

    @property
    def view(self):
        return AudioView(rate=RATE, channels=1, seconds=0.5)

    def forward(self, batch):
        return Outputs(wave=self.dropout(self.gain * batch.wave), reference=batch.wave)


class ToyAudio(Toy):
    """Generates a stereo tone per item, louder on the left."""

    def generate(self, conditions, *, seconds, sampler, seed):
        time = torch.arange(int(seconds * RATE)) / RATE
        tone = torch.sin(2 * torch.pi * (330 + 110 * torch.rand(1)) * time)
        return [Clip(torch.stack([0.5 * tone, 0.25 * tone]), RATE) for _ in conditions.text]


class ToyScore(Toy):
    """Generates an empty score and a C."""

    def generate(self, conditions, *, seconds, sampler, seed):
        scores = [Score(480), Score(480)]
        scores[1].tracks.append(Track("", 0, False))
        scores[1].tracks[0].notes.append(Note(0, 480, 60, 90))
        return scores


class ToyCodec(Toy):
    """Gives back what it gets, at half the level."""

    def generate(self, conditions, *, seconds, sampler, seed):
        raise AssertionError("an autoencoder is not asked to generate")

    def reconstruct(self, clip):
        return Clip(0.5 * clip.wave, clip.rate)


def batches(count):
    """Serve batches of two half-second tones, the second padded."""
    time = torch.arange(RATE // 2) / RATE
    wave = torch.stack([torch.sin(2 * torch.pi * hz * time) for hz in (440.0, 550.0)])[:, None]
    conditions = Conditions(text=["a tone", "a higher tone"], tags={"instrument": ["sine", "sine"]})
    batch = AudioBatch(wave=wave, valid=torch.tensor([8000, 4000]), rate=RATE, conditions=conditions)
    return DataLoader([batch] * count, batch_size=None)


def keeper(**changes):
    """Return the checkpoint callback with nothing switched on besides what is given."""
    plain = {"every_n_steps": 1000, "every_minutes": None, "monitor": "val/loss", "mode": "min"}
    return Checkpoint(**{**plain, "top_k": 0, "milestones": [], "disk_gb": None, **changes})


def trainer_for(folder, callbacks, *, steps=6, logger=None, every_batches=3, accumulate=1, trial=0):
    """Return a trainer of a few steps with a TensorBoard logger."""
    return L.Trainer(
        default_root_dir=folder,
        accelerator="cpu",
        max_steps=steps,
        accumulate_grad_batches=accumulate,
        callbacks=callbacks,
        logger=TensorBoardLogger(folder, name=None, version="tensorboard") if logger is None else logger,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        log_every_n_steps=1,
        num_sanity_val_steps=trial,
        plugins=[SafeCheckpoints()],
        val_check_interval=every_batches,
        check_val_every_n_epoch=None,
    )


def fit(module, folder, callbacks, *, resume=False, train=None, **options):
    """Train a few steps, and return the trainer."""
    trainer = trainer_for(folder, callbacks, **options)
    last = folder / "checkpoints" / "last.ckpt" if resume else None
    train = batches(20) if train is None else train
    trainer.fit(module, train, batches(2), ckpt_path=last)
    return trainer
