"""L2-SP is half a spring: no force at the start, and a pull that grows with the distance."""

from __future__ import annotations

from pathlib import Path

import lightning as L
import pytest
import torch
from omegaconf import DictConfig
from torch.utils.data import DataLoader

from disco.core.batch import Conditions, ScoreBatch
from disco.methods.l2sp import L2SP, Distance
from disco.metrics.forgetting import deltas
from tests.contracts.models import FAMILIES, batch_for, build_tiny
from tests.core.test_steps import Reader, adamw


def test_pull_is_the_way_back_to_the_start(composed) -> None:
    cfg: DictConfig = composed("train", *FAMILIES["symbolic"])
    module = build_tiny(cfg)
    batch = batch_for(module)
    out = module(batch)
    term = Distance(module, weight=0.5)
    assert term(out, batch).item() == 0.0
    with torch.no_grad():
        module.head.weight += 0.25
    distance = term(out, batch)
    assert distance.item() == pytest.approx(0.5 * 0.25**2 * module.head.weight.numel(), rel=1e-5)
    distance.backward()
    assert torch.allclose(module.head.weight.grad, torch.full_like(module.head.weight, 0.25))


def test_frozen_weights_are_not_held(composed) -> None:
    module = build_tiny(composed("train", *FAMILIES["symbolic"]))
    module.requires_grad_(False)
    module.head.requires_grad_(True)
    assert [tuple(buffer.shape) for buffer in Distance(module, weight=1.0).buffers()] == [
        tuple(module.head.weight.shape)
    ]


def task(first: int, stride: int) -> ScoreBatch:
    """Five tokens that follow one another in an order of their own."""
    tokens = first + (torch.arange(5)[:, None] + stride * torch.arange(12)) % 5
    return ScoreBatch(tokens=tokens, valid=torch.full((5,), 12), conditions=Conditions(text=(None,) * 5))


def taught(module: Reader, batch: ScoreBatch, folder: Path, methods: list[L.Callback]) -> None:
    trainer = L.Trainer(
        default_root_dir=folder, accelerator="cpu", max_steps=60, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, callbacks=methods,
    )  # fmt: skip
    trainer.fit(module, *(DataLoader([batch] * count, batch_size=None) for count in (60, 1)))


@torch.no_grad()
def lost(module: Reader, batch: ScoreBatch) -> float:
    return float(module.objective.terms["token_ce"](module(batch), batch))


def test_of_two_tasks_in_a_row_the_first_is_forgotten_half_as_much(tmp_path: Path) -> None:
    """The second task is learnt all the same."""
    first, second = task(0, 1), task(5, 2)
    forgotten, learnt = [], []
    for methods in ([], [L2SP(weight=0.02)]):
        module = Reader(adamw(lr=0.02))
        taught(module, first, tmp_path, [])
        before = {"loss": lost(module, first)}
        taught(module, second, tmp_path, methods)
        after = {"loss": lost(module, first)}
        (row,) = deltas(before, after, higher_is_better={"loss": False}, real={})
        forgotten.append(row.loss)
        learnt.append(lost(module, second))
    plain, held = forgotten
    assert plain > 1.0, "without it the first task is lost"
    assert held < 0.5 * plain
    assert max(learnt) < 0.5
