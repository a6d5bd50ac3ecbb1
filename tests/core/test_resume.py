"""A run that was stopped after any step ends, bit for bit, as one that never was."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
import torch

from disco.core.checkpoint_io import read_checkpoint
from tests.core.resuming import Learner, run

STEPS = 40  # three epochs of 13 steps, and one
MANY = 80  # enough for a process that is killed to be in the midst of them
CLEAN = multiprocessing.get_context("forkserver")  # forks of a process that has no threads
CLEAN.set_forkserver_preload(["tests.core.resuming"])
POLITE = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
ENDS = [*((signal.SIGKILL, n) for n in range(50)), *((POLITE[n % 4], n) for n in range(20))]
FEW = (50,)  # of these in every test run


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


@pytest.mark.parametrize(
    "stops", [(13, 26), (14, 15, 26), pytest.param(range(1, STEPS), marks=pytest.mark.long)], ids=str
)
def test_a_run_that_is_stopped_again_and_again_ends_as_one_that_never_was(
    stops: Sequence[int], whole: Learner, tmp_path: Path
) -> None:
    losses = {}
    for stop in stops:
        losses |= run(tmp_path, steps=STEPS, stop=stop, resume=bool(losses)).losses
    ended = run(tmp_path, steps=STEPS, resume=True)
    assert {**losses, **ended.losses} == whole.losses
    assert torch.equal(ended.gain, whole.gain)


@pytest.mark.parametrize("stop", [7, 13])
def test_a_run_that_was_ended_early_goes_on_too(stop: int, whole: Learner, tmp_path: Path) -> None:
    check(whole, tmp_path, stop, kill=False)


@pytest.fixture(scope="module")
def longer(tmp_path_factory: pytest.TempPathFactory) -> tuple[Learner, float]:
    """A whole run, and the seconds that it takes without a save."""
    begun = time.monotonic()
    return run(tmp_path_factory.mktemp("longer"), steps=MANY), time.monotonic() - begun


@pytest.mark.parametrize(
    ("number", "seed"),
    [
        pytest.param(*end, marks=pytest.mark.slow if k in FEW else pytest.mark.long)
        for k, end in enumerate(ENDS)
    ],
)
def test_a_run_that_is_ended_at_any_time_ends_as_one_that_never_was(
    number: signal.Signals, seed: int, longer: tuple[Learner, float], tmp_path: Path
) -> None:
    whole, seconds = longer
    child = CLEAN.Process(target=run, args=(tmp_path,), kwargs={"steps": MANY, "every": 1})
    child.start()
    while child.is_alive() and not (tmp_path / "checkpoints" / "last.ckpt").is_file():
        time.sleep(0.005)
    time.sleep(Random(seed).random() * 0.7 * seconds)  # it saves after every step, and takes longer
    assert child.pid is not None
    os.kill(child.pid, number)
    child.join(30)
    assert child.exitcode == (-number if number == signal.SIGKILL else 128 + number)
    ended = run(tmp_path, steps=MANY, resume=True)
    assert ended.losses == {place: whole.losses[place] for place in ended.losses}
    assert torch.equal(ended.gain, whole.gain)
