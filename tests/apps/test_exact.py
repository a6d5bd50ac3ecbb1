"""Every family, stopped after any step, ends bit for bit as the run that was not stopped."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import lightning as L
import pytest
import torch
from safetensors.torch import load_file

from disco.apps import train
from disco.apps.runs import Run
from disco.callbacks.signals import Interrupted
from tests.composing import composed_config
from tests.tiny_runs import TINY, TINY_MUSICGEN, TINY_SYMBOLIC

STEPS = 40  # several epochs of the little that is served
KEPT = f"callbacks.checkpoint.milestones={list(range(1, 2 * STEPS))}".replace(" ", "")
TINY_SEANET = [
    "model=autoencoder_seanet",
    "model.encoder.filters=4",
    "model.encoder.latent=16",
    "model.encoder.lstm=1",
    "model.quantizer.code_dim=16",
    "model.quantizer.cardinality=16",
    "model.quantizer.restarts=[2,6]",
    *TINY,
    "loss.adversarial.critic.windows=[256]",
    "loss.adversarial.critic.filters=2",
]
WITH = [
    "callbacks=[guard,checkpoint,history,ema]",
    "callbacks.history.every_steps=1",
    "trainer.log_every_n_steps=1",
]


def words_of(family: str, request: pytest.FixtureRequest) -> list[str]:
    corner = request.getfixturevalue("corner")
    both = [*corner, *WITH, f"trainer.max_steps={STEPS}", "data.batch_size=2", "plan=off"]
    if family == "codec":
        return [*TINY_SEANET, *both, "loss=[mel,commitment,adversarial]", "augment=[gain]"]
    if family == "symbolic":
        varied = ["model.dropout=0.1", "augment=[transpose]"]
        return [*TINY_SYMBOLIC, *both, *varied, "trainer.accumulate_grad_batches=2"]
    base, codec = request.getfixturevalue("musicgen_run"), request.getfixturevalue("codec_run")
    return [
        *TINY_MUSICGEN, *both, "codec=run", f"codec.run={codec}", "adapter=lora", "adapter.rank=2",
        "weights=run", f"weights.run={base}", "model.dropout=0.1", "trainer.accumulate_grad_batches=2",
    ]  # fmt: skip


def rows(folder: Path) -> dict[int, tuple[float, float]]:
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return {row["step"]: (row["train/loss"], row["lr"]) for row in lines if "train/loss" in row}


@pytest.mark.long
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("family", ["symbolic", "lora", "codec"])
def test_a_stopped_run_ends_as_one_that_never_was(
    family: str, workers: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    words = [*words_of(family, request), f"data.num_workers={workers}"]
    whole = tmp_path / "whole"
    train.main(composed_config("train", [*words, KEPT], whole))
    wanted, weights = rows(whole), load_file(Run(whole).weights)
    assert len(wanted) == STEPS
    milestones = sorted((whole / "checkpoints" / "milestones").iterdir())
    assert len(milestones) == STEPS
    for milestone in milestones[:-1]:
        folder = tmp_path / milestone.stem
        (folder / "checkpoints").mkdir(parents=True)
        shutil.copy(whole / "config.yaml", folder)
        shutil.copy(milestone, folder / "checkpoints" / "last.ckpt")
        train.main(composed_config("train", [*words, "resume=auto"], folder))
        step = int(milestone.stem.removeprefix("step-"))
        assert rows(folder) == {n: row for n, row in wanted.items() if n > step}, milestone
        ended = load_file(Run(folder).weights)
        assert set(ended) == set(weights)
        apart = [name for name in weights if not torch.equal(ended[name], weights[name])]
        assert apart == [], milestone
        shutil.rmtree(folder)


class Ends(L.Callback):
    """Sends this process a signal in the midst of a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_before_optimizer_step(
        self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        if trainer.global_step + 1 == self.step:
            os.kill(os.getpid(), signal.SIGUSR2)


@pytest.mark.long
@pytest.mark.parametrize("family", ["symbolic", "lora", "codec"])
def test_a_run_that_is_told_to_leave_again_and_again_ends_as_one_that_never_was(
    family: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*words_of(family, request), "callbacks=[guard,checkpoint,history,ema,signals]"]
    whole, folder = tmp_path / "whole", tmp_path / "cut"
    train.main(composed_config("train", words, whole))
    each = 2 if family == "codec" else 1  # the critic's steps are counted too
    for stop in (1, 2, 5, 11, 16, 24, 25, 39):
        monkeypatch.setattr(train, "_pruning", lambda stop=stop: [Ends(stop * each)])
        with pytest.raises(Interrupted):
            train.main(composed_config("train", [*words, "resume=auto"], folder))
        assert max(rows(folder)) == stop * each
    monkeypatch.undo()
    train.main(composed_config("train", [*words, "resume=auto"], folder))
    assert rows(folder) == rows(whole)
    ended, weights = load_file(Run(folder).weights), load_file(Run(whole).weights)
    assert [name for name in weights if not torch.equal(ended[name], weights[name])] == []
