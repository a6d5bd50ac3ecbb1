"""Averages of the weights: what they are, who sees them, and that they go on after a stop."""

from __future__ import annotations

from pathlib import Path

import lightning as L
import pytest
import torch
from safetensors.torch import load_file

from disco.callbacks.checkpoint import Checkpoint
from disco.callbacks.ema import Ema
from disco.callbacks.swa import Swa
from disco.core.checkpoint_io import SafeCheckpoints, read_checkpoint
from tests.callbacks.toy_models import ToyAudio, batches

STEPS = 12


class Diary(L.Callback):
    """Writes down the weight after every step and in every validation."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.validated: list[float] = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.steps.append(float(pl_module.gain.detach()))

    def on_validation_batch_end(self, trainer, pl_module, outputs, batch, batch_idx, dataloader_idx=0):
        self.validated.append(float(pl_module.gain.detach()))


def fit(folder: Path, *callbacks: L.Callback, steps: int = STEPS, resume: bool = False) -> ToyAudio:
    torch.manual_seed(0)
    module = ToyAudio()
    trainer = L.Trainer(
        default_root_dir=folder,
        accelerator="cpu",
        max_steps=steps,
        callbacks=list(callbacks),
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
        plugins=[SafeCheckpoints()],
        val_check_interval=3,
        check_val_every_n_epoch=None,
    )
    ckpt = folder / "checkpoints" / "last.ckpt" if resume else None
    trainer.fit(module, batches(40), batches(1), ckpt_path=ckpt)
    return module


def checkpoint() -> Checkpoint:
    return Checkpoint(
        every_n_steps=100, every_minutes=None, monitor="val/loss", mode="min", top_k=0, milestones=[],
        disk_gb=None,
    )  # fmt: skip


def moved(values: list[float], decay: float, power: float) -> float:
    average = values[0]
    for count, value in enumerate(values[1:], 1):
        keep = min(decay, 1 - (1 + count) ** -power)
        average = keep * average + (1 - keep) * value
    return average


def test_ema_follows_its_formula_and_is_what_validation_and_files_hold(tmp_path: Path) -> None:
    diary = Diary()
    module = fit(tmp_path, checkpoint(), diary, Ema(decay=0.8, power=0.75))
    assert len(diary.steps) == STEPS
    wanted = [moved(diary.steps[:n], 0.8, 0.75) for n in (3, 6, 9, 12)]
    assert diary.validated == pytest.approx(wanted, rel=1e-5)
    assert float(module.gain.detach()) == pytest.approx(wanted[-1], rel=1e-5)
    best = load_file(tmp_path / "checkpoints" / "best.safetensors")
    assert min(abs(float(best["gain"]) - value) for value in wanted) < 1e-6
    last = read_checkpoint(tmp_path / "checkpoints" / "last.ckpt")
    assert float(last["state_dict"]["gain"]) == diary.steps[-1], "training goes on from the plain weights"


def test_swa_is_the_arithmetic_mean_of_the_last_weights(tmp_path: Path) -> None:
    diary = Diary()
    module = fit(tmp_path, diary, Swa(start=0.5, every_n_steps=2))
    assert float(module.gain.detach()) == pytest.approx(sum(diary.steps[6::2]) / 3, rel=1e-5)
    assert diary.validated[0] == diary.steps[2], "before the first average the plain weights are validated"


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch ended")
@pytest.mark.parametrize(
    "average", [lambda: Ema(decay=0.8, power=0.75), lambda: Swa(start=0.0, every_n_steps=1)]
)
def test_an_average_goes_on_where_it_stopped(average, tmp_path: Path) -> None:
    first, then = Diary(), Diary()
    one, other = average(), average()
    fit(tmp_path, checkpoint(), first, one, steps=6)
    module = fit(tmp_path, checkpoint(), then, other, steps=STEPS, resume=True)
    values = [*first.steps, *then.steps]
    assert len(values) == STEPS
    wanted = moved(values, 0.8, 0.75) if isinstance(one, Ema) else sum(values) / STEPS
    assert float(module.gain.detach()) == pytest.approx(wanted, rel=1e-5)
    again = fit(tmp_path, checkpoint(), average(), steps=STEPS, resume=True)
    assert float(again.gain.detach()) == pytest.approx(wanted, rel=1e-5), "also where nothing was left to do"


def test_an_interrupt_while_validating_saves_the_plain_weights(tmp_path: Path) -> None:
    class Interrupt(L.Callback):
        def on_validation_batch_end(self, trainer, pl_module, outputs, batch, batch_idx, dataloader_idx=0):
            raise KeyboardInterrupt

    diary = Diary()
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        fit(tmp_path, checkpoint(), diary, Interrupt(), Ema(decay=0.8, power=0.75))
    last = read_checkpoint(tmp_path / "checkpoints" / "last.ckpt")
    assert float(last["state_dict"]["gain"]) == diary.steps[-1]
    assert float(last["average"]["module.gain"]) == pytest.approx(moved(diary.steps, 0.8, 0.75), rel=1e-5)


def test_frozen_weights_and_whole_numbers_are_not_averaged(tmp_path: Path) -> None:
    class Adapted(ToyAudio):
        def __init__(self):
            super().__init__()
            self.base = torch.nn.Parameter(torch.ones(3), requires_grad=False)
            self.register_buffer("count", torch.zeros((), dtype=torch.long))
            self.adapted = True

    ema = Ema(decay=0.8, power=0.75)
    trainer = L.Trainer(
        default_root_dir=tmp_path, accelerator="cpu", max_steps=2, callbacks=[ema], logger=False,
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
    )  # fmt: skip
    trainer.fit(Adapted(), batches(4), batches(1))
    assert [name for name, _ in ema.averaged.module.named_buffers()] == ["gain"]
