"""A run that was stopped after any step ends, bit for bit, as one that never was."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from disco.core.checkpoint_io import read_checkpoint
from tests.core.resuming import Learner, run

STEPS = 40  # three epochs of 13 steps, and one


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Learner:
    return run(tmp_path_factory.mktemp("whole"), steps=STEPS)


def check(whole: Learner, folder: Path, stop: int, **options) -> None:
    begun = run(folder, steps=STEPS, stop=stop, **options)
    assert read_checkpoint(folder / "checkpoints" / "last.ckpt")["global_step"] == stop
    ended = run(folder, steps=STEPS, resume=True, **options)
    assert {**begun.losses, **ended.losses} == whole.losses
    assert min(ended.losses) == max(begun.losses) + 1, "no batch came twice, none was left out"
    assert torch.equal(ended.gain, whole.gain), "the average of the weights, where the run ends"


@pytest.mark.parametrize("stop", [6, 13, 14, 39])
def test_a_stopped_run_ends_as_one_that_never_was(stop: int, whole: Learner, tmp_path: Path) -> None:
    check(whole, tmp_path, stop)


@pytest.mark.long
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("stop", range(1, STEPS))
def test_a_run_stopped_after_any_step_ends_as_one_that_never_was(
    stop: int, workers: int, whole: Learner, tmp_path: Path
) -> None:
    check(whole, tmp_path, stop, workers=workers)


@pytest.mark.parametrize("stop", [7, 13])
def test_a_run_that_was_ended_early_goes_on_too(stop: int, whole: Learner, tmp_path: Path) -> None:
    check(whole, tmp_path, stop, kill=False)
