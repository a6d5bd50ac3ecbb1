"""Batches that would spoil the weights are left out, named, and end the run when there are too many."""

from __future__ import annotations

import json
from pathlib import Path

import lightning as L
import pytest
import torch

from disco.callbacks.guard import Guard
from disco.core.checkpoint_io import SafeCheckpoints, read_checkpoint
from disco.errors import DiscoError
from tests.callbacks.toy_models import keeper
from tests.core.resuming import BATCH, Learner, ToneData, Tones


class Piece:
    def __init__(self, index: int) -> None:
        self.id = f"piece-{index}"


class Named(Tones):
    def records(self) -> list[Piece]:
        return [Piece(index) for index in range(len(self))]


class NamedData(ToneData):
    def dataset(self, split: str) -> Named:
        return Named()


class Spoilt(Learner):
    """A learner some of whose batches are spoilt; it remembers them and its weights."""

    def __init__(self, factor: float, spoilt: set[int]) -> None:
        super().__init__()
        self.factor, self.spoilt = factor, spoilt
        self.weights: list[torch.Tensor] = []

    def training_step(self, batch, batch_index):
        loss = super().training_step(batch, batch_index)
        return loss * self.factor if self.trainer.fit_loop.total_batch_idx in self.spoilt else loss

    def on_train_batch_end(self, outputs, batch, batch_idx):
        self.weights.append(self.gain.detach().clone())


def fit(
    module: Learner, folder: Path, guard: Guard, *, accumulate: int = 1, steps: int = 30, every: int = 1000
) -> None:
    torch.manual_seed(0)
    trainer = L.Trainer(
        default_root_dir=folder, accelerator="cpu", max_steps=steps, accumulate_grad_batches=accumulate,
        callbacks=[guard, keeper(every_n_steps=every)], logger=False, enable_progress_bar=False,
        enable_model_summary=False, enable_checkpointing=False, log_every_n_steps=1, num_sanity_val_steps=0,
        val_check_interval=1000, check_val_every_n_epoch=None, plugins=[SafeCheckpoints()],
    )  # fmt: skip
    trainer.fit(module, datamodule=NamedData(batch_size=BATCH, num_workers=0, seed=3).serve(module.view))


def rows(folder: Path) -> list[dict]:
    path = folder / "skipped.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


@pytest.mark.parametrize("factor", [float("nan"), float("inf"), 1000.0])
def test_a_bad_batch_moves_nothing_and_its_pieces_are_named(factor: float, tmp_path: Path) -> None:
    module = Spoilt(factor, {24})
    fit(module, tmp_path, Guard(spike=30.0, in_a_row=3))
    assert torch.equal(module.weights[24], module.weights[23])
    assert not torch.equal(module.weights[25], module.weights[24])
    (row,) = rows(tmp_path)
    assert row["step"] == 25
    assert len(row["ids"]) == BATCH
    order = NamedData(batch_size=BATCH, num_workers=0, seed=3).serve(module.view).train_dataloader().order
    assert row["ids"] == [f"piece-{index}" for _, index in list(order)[24]]
    assert read_checkpoint(tmp_path / "checkpoints/last.ckpt")["state_dict"]["gain"].isfinite().all()


def test_all_batches_of_a_step_are_named(tmp_path: Path) -> None:
    fit(Spoilt(float("nan"), {5}), tmp_path, Guard(spike=None, in_a_row=3), accumulate=3, steps=4)
    (row,) = rows(tmp_path)
    assert (row["step"], len(row["ids"])) == (2, 3 * BATCH)


def test_what_is_usual_is_let_through(tmp_path: Path) -> None:
    module = Spoilt(10.0, {24})
    fit(module, tmp_path, Guard(spike=30.0, in_a_row=3))
    assert rows(tmp_path) == []
    assert not torch.equal(module.weights[24], module.weights[23])


def test_too_many_in_a_row_end_the_run_with_the_last_good_state(tmp_path: Path) -> None:
    module = Spoilt(float("nan"), set(range(10, 100)))
    with pytest.raises(DiscoError, match=r"4 steps in a row were left out, the last at step 14; look at"):
        fit(module, tmp_path, Guard(spike=None, in_a_row=4))
    assert [row["step"] for row in rows(tmp_path)] == [11, 12, 13, 14]
    kept = read_checkpoint(tmp_path / "checkpoints/last.ckpt")["state_dict"]["gain"]
    assert torch.equal(kept, module.weights[9])


def test_a_weight_that_is_no_number_is_not_saved_over_the_last_good_one(tmp_path: Path) -> None:
    class Broken(Spoilt):
        def on_train_batch_start(self, batch, batch_idx):
            super().on_train_batch_start(batch, batch_idx)
            if self.trainer.global_step == 10:
                self.gain.data[3] = float("nan")

    module = Broken(1.0, set())
    with pytest.raises(DiscoError, match=r"gain holds a number that is not finite|left out"):
        fit(module, tmp_path, Guard(spike=None, in_a_row=4), every=10)
    kept = read_checkpoint(tmp_path / "checkpoints/last.ckpt")
    assert kept["global_step"] == 10
    assert torch.equal(kept["state_dict"]["gain"], module.weights[9])


def test_steps_that_are_left_out_here_and_there_do_not_add_up(tmp_path: Path) -> None:
    fit(Spoilt(float("nan"), set(range(1, 30, 2))), tmp_path, Guard(spike=None, in_a_row=2))
    assert len(rows(tmp_path)) == 15
