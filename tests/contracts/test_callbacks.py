"""What every callback owes: a fit, a second fit in the same process, and going on where it stopped."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import torch
from lightning.pytorch.loggers import TensorBoardLogger

from disco.apps.compose import build
from disco.apps.launch import CONF
from tests.callbacks.toy_models import ToyAudio, fit, keeper
from tests.composing import composed_config

CALLBACKS = sorted(path.stem for path in (CONF / "callbacks").glob("*.yaml"))
MOVES_WEIGHTS = {"ema", "swa"}  # what they leave in the model is an average
QUICK = {"samples": {"seconds": 0.2, "num_samples": 1, "rate": 16000, "every_steps": 3}}


@cache
def settings(name: str):
    """The option's own node, as the command line would compose it."""
    return composed_config("train", ["model=symbolic", f"callbacks=[{name}]"], Path("nowhere")).callbacks[
        name
    ]


def made(name: str):
    node = settings(name).copy()
    for key, value in QUICK.get(name, {}).items():
        node[key] = value
    return build(node, f"callbacks.{name}")


def trained(folder: Path, names: list[str], callbacks: list | None = None, **options):
    torch.manual_seed(0)
    module = ToyAudio()
    module.dropout.p = 0.0
    callbacks = [made(name) for name in names] if callbacks is None else callbacks
    if not any(type(callback).__name__ == "Checkpoint" for callback in callbacks):
        callbacks = [keeper(), *callbacks]
    logger = TensorBoardLogger(folder, name=None, version="tensorboard")
    trainer = fit(module, folder, callbacks, logger=logger, **options)
    return trainer, float(module.gain.detach())


@pytest.mark.parametrize("name", CALLBACKS)
def test_a_fit_ends_where_it_would_end_without_it(name: str, tmp_path: Path) -> None:
    plain, weight = trained(tmp_path / "plain", [])
    watched, same = trained(tmp_path / "watched", [name])
    assert watched.global_step == plain.global_step == 6
    assert name in MOVES_WEIGHTS or same == weight != 0.0


@pytest.mark.parametrize("name", CALLBACKS)
def test_a_second_fit_of_the_same_callback_begins_anew(name: str, tmp_path: Path) -> None:
    callback = made(name)
    (_, first), (trainer, second) = (trained(tmp_path / n, [], [callback]) for n in ("one", "two"))
    assert trainer.global_step == 6
    assert first == second
    assert (tmp_path / "two" / "checkpoints" / "last.ckpt").is_file()
    ours = [
        sorted(
            str(path.relative_to(tmp_path / n))
            for path in (tmp_path / n).rglob("*")
            if "tfevents" not in path.name
        )
        for n in ("one", "two")
    ]
    assert ours[0] == ours[1], "what it leaves is the same"


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch ended")
@pytest.mark.parametrize("name", CALLBACKS)
def test_it_goes_on_where_it_stopped(name: str, tmp_path: Path) -> None:
    _, whole = trained(tmp_path / "whole", [name])
    for steps, resume in ((3, False), (6, True)):
        trainer, weight = trained(tmp_path / "parts", [name], steps=steps, resume=resume)
        assert trainer.global_step == steps
    assert weight == pytest.approx(whole, rel=1e-6) or name == "swa"  # whose start is a share of the steps


def test_all_that_are_on_by_default_get_along(tmp_path: Path) -> None:
    names = list(composed_config("train", ["model=symbolic"], Path("nowhere")).callbacks)
    _, plain = trained(tmp_path / "plain", [])
    _, weight = trained(tmp_path / "all", names)
    assert weight == plain
    left = {path.name for path in (tmp_path / "all").iterdir()}
    assert {"checkpoints", "history.jsonl", "samples", "tensorboard"} <= left
