"""One run on one process or two, and from one to the other: the same music in the same order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from disco.core.checkpoint_io import read_checkpoint
from tests.apps.launched import (
    EVERY,
    ROOT,
    SCRIPT,
    STILL,
    alone,
    fed,
    in_two,
    largest_gap,
    losses,
    surroundings,
)
from tests.tiny_runs import TINY_SYMBOLIC

STEPS, STOP = 12, 8
ONE, TWO = ["data.batch_size=8", "trainer=cpu"], ["data.batch_size=4", "trainer=ddp_cpu"]
BUDGET = ["callbacks=[checkpoint,history,budget]", f"callbacks.budget.steps={STOP}"]
WEIGHTS = "weights.safetensors"
pytestmark = [pytest.mark.long, pytest.mark.ddp]


def words(corner: list[str], *more: str) -> list[str]:
    return [*TINY_SYMBOLIC, *corner, *STILL, *EVERY, "optim=sgd", f"trainer.max_steps={STEPS}", *more]


@pytest.fixture(scope="module")
def runs(corner: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs on one process, on two, and on both in turn."""
    folder = tmp_path_factory.mktemp("elastic")
    alone(folder / "one", words(corner, *ONE))
    alone(folder / "one-two", words(corner, *ONE, *BUDGET))
    assert set(fed(folder / "one-two")) == set(range(STOP))
    in_two(
        folder,
        [
            (folder / "two", words(corner, *TWO)),
            (folder / "two-one", words(corner, *TWO, *BUDGET)),
            # data.batch_size is as it was
            (folder / "one-two", words(corner, ONE[0], TWO[1], "resume=auto")),
        ],
    )
    assert set(fed(folder / "two-one")) == set(range(STOP))
    alone(folder / "two-one", words(corner, TWO[0], ONE[1], "resume=auto"))
    return folder


@pytest.mark.parametrize("name", ["two", "two-one", "one-two"])
def test_the_number_of_processes_changes_nothing(name: str, runs: Path) -> None:
    assert set(fed(runs / "one")) == set(range(STEPS))
    assert fed(runs / name) == fed(runs / "one")
    assert losses(runs / name) == pytest.approx(losses(runs / "one"), abs=1e-6)
    assert largest_gap(runs / name / WEIGHTS, runs / "one" / WEIGHTS) <= 1e-6


def second_of(pid: int) -> int:
    """Return the other process of a run, which its first one has started."""
    for number in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if b"LOCAL_RANK=1" in Path(f"/proc/{number}/environ").read_bytes().split(b"\0"):
            return int(number)
    raise AssertionError("there is no other process")


def begun(folder: Path, corner: list[str]) -> tuple[subprocess.Popen[str], int]:
    """Start two processes that would train for long, and wait for their first checkpoints."""
    asked = words(corner, *TWO, "trainer.max_steps=100000", "callbacks.checkpoint.every_n_steps=4")
    command = [sys.executable, str(SCRIPT), *asked, f"hydra.run.dir={folder}", "plan=off"]
    running = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=surroundings())
    for _ in range(3000):
        if running.poll() is not None or (folder / "checkpoints" / "previous.ckpt").is_file():
            break
        time.sleep(0.1)
    assert running.poll() is None, running.communicate()[1]
    return running, second_of(running.pid)


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_process_ends_the_other_and_the_run_goes_on_alone(
    killed: int, runs: Path, corner: list[str], tmp_path: Path
) -> None:
    running, second = begun(tmp_path, corner)
    os.kill(running.pid if killed == 0 else second, signal.SIGKILL)
    since = time.monotonic()
    told = running.communicate(timeout=30)[1]
    while not is_gone(second):
        assert time.monotonic() - since < 30
        time.sleep(0.1)
    assert running.returncode not in (0, None)
    assert killed == 0 or "another of the 2 processes is gone" in told or running.returncode == -9, told
    step = read_checkpoint(tmp_path / "checkpoints" / "last.ckpt")["global_step"]
    for path in (tmp_path / "notes").iterdir():
        path.unlink()
    alone(tmp_path, words(corner, TWO[0], ONE[1], "resume=auto", f"trainer.max_steps={step + 3}"))
    assert {n: len(keys) for n, keys in fed(tmp_path).items()} == dict.fromkeys(range(step, step + 3), 8)
    known = fed(runs / "one")
    assert all(keys == known[n] for n, keys in fed(tmp_path).items() if n in known)
