"""`train.py` end to end on a corner of the demo corpus: fit, reopen, go on, adapt, several processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from disco.apps import train
from disco.apps.runs import Run, open_run
from disco.core.batch import Conditions
from disco.core.checkpoint_io import read_checkpoint
from disco.core.contracts import Sampler
from disco.errors import DiscoError
from tests.tiny_runs import TINY_SYMBOLIC

ROOT = Path(__file__).resolve().parents[2]


def small(corner: list[str], *more: str) -> list[str]:
    return [*TINY_SYMBOLIC, *corner, *more]


@pytest.mark.slow
def test_a_run_can_be_reopened_and_writes_the_same_tune_for_the_same_seed(
    composed, corner: list[str]
) -> None:
    cfg = composed("train", *small(corner, "trainer.max_steps=4"))
    train.main(cfg)
    run = Run(Path(cfg.run_dir))
    assert run.facts["steps"] == 4
    assert {"train/loss", "val/loss"} <= set(run.facts["measures"])
    wish = Conditions(text=(None, None))
    first, again = (
        open_run(run.folder).generate(wish, seconds=2.0, sampler=Sampler(top_k=5), seed=7) for _ in range(2)
    )
    assert [s.dumps_midi() for s in first] == [s.dumps_midi() for s in again]


@pytest.mark.slow
def test_a_run_that_died_after_its_last_step_is_finished(composed, corner: list[str], tmp_path: Path) -> None:
    words = [*TINY_SYMBOLIC, *corner, "trainer.max_steps=2"]
    run = Run(tmp_path / "run")
    cfg = composed("train", *words)
    train.main(cfg)
    told = run.facts["measures"]["val/loss"]
    for file in (run.weights, run.folder / "run.json"):
        file.unlink()
    train.main(composed("train", *words, "resume=auto"))
    assert run.facts["measures"]["val/loss"] == pytest.approx(told, abs=1e-5)
    assert run.weights.is_file()


@pytest.mark.slow
def test_resuming_goes_on_with_the_optimisers_and_the_schedules_memory(composed, corner: list[str]) -> None:
    def trained(steps: int) -> tuple[dict, Run]:
        cfg = composed("train", *small(corner, f"trainer.max_steps={steps}", "resume=auto"))
        train.main(cfg)
        run = Run(Path(cfg.run_dir))
        assert run.facts["steps"] == steps
        return read_checkpoint(run.checkpoint), run

    first, run = trained(3)
    before = load_file(run.weights)
    then, run = trained(6)
    for checkpoint, steps in ((first, 3), (then, 6)):
        (optimizer,), (schedule,) = checkpoint["optimizer_states"], checkpoint["lr_schedulers"]
        assert {int(moments["step"]) for moments in optimizer["state"].values()} == {steps}
        assert schedule["last_epoch"] == steps
    after = load_file(run.weights)
    assert set(after) == set(before)
    assert any(not torch.equal(after[name], before[name]) for name in before)


@pytest.mark.slow
def test_lora_moves_only_what_it_added_and_refuses_a_changed_base(
    composed, corner: list[str], tmp_path: Path
) -> None:
    base = composed("train", *small(corner, "trainer.max_steps=3"))
    base.run_dir = str(tmp_path / "base")
    train.main(base)
    before = load_file(Run(Path(base.run_dir)).weights)

    cfg = composed(
        "train",
        *small(corner, "trainer.max_steps=3", "adapter=lora", "adapter.rank=2", "data.books=[bach]"),
        "weights=run",
        f"weights.run={base.run_dir}",
    )
    cfg.run_dir = str(tmp_path / "lora")
    train.main(cfg)
    run = Run(Path(cfg.run_dir))
    moved = load_file(run.weights)
    assert moved
    assert all("lora_" in name for name in moved)
    assert any(value.abs().sum() > 0 for name, value in moved.items() if "lora_B" in name)
    opened = open_run(run.folder).state_dict()
    plain = {name.replace(".base_layer", ""): value for name, value in opened.items()}
    assert all(torch.equal(plain[name], value) for name, value in before.items())

    weights = Run(Path(base.run_dir)).weights
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\1")
    with pytest.raises(DiscoError, match="other weights than this adapter was trained on"):
        open_run(run.folder)


def launched(folder: Path, corner: list[str], *more: str) -> dict[str, torch.Tensor]:
    words = [*small(corner, *more), "trainer.max_steps=3", "seed=1", "trainer.limit_val_batches=0"]
    command = [
        sys.executable,
        "train.py",
        *words,
        f"hydra.run.dir={folder}",
        "callbacks=[checkpoint,history]",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return load_file(folder / "weights.safetensors")


@pytest.mark.slow
@pytest.mark.ddp
def test_two_processes_learn_what_one_learns_with_twice_the_batch(corner: list[str], tmp_path: Path) -> None:
    # no dropout, and an optimiser that does not blow up the last bits of a gradient near zero, as Adam does
    still = ["model.dropout=0", "model.condition_dropout=0", "optim=sgd"]
    one = launched(tmp_path / "one", corner, "data.batch_size=4", *still)
    two = launched(tmp_path / "two", corner, "data.batch_size=2", "trainer=ddp_cpu", *still)
    for name, value in one.items():
        assert torch.allclose(two[name], value, atol=1e-5), name
