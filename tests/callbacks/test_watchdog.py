"""A run that hangs is ended; one that moves, however slowly, is not."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from disco.callbacks.watchdog import FILE, Watchdog
from tests.callbacks.toy_models import ToyAudio, fit

ROOT = Path(__file__).resolve().parents[2]
HANGS = """
import sys, time
from pathlib import Path
from disco.callbacks.watchdog import Watchdog
from disco.core.checkpoint_io import read_checkpoint
from tests.callbacks.toy_models import ToyAudio, fit, keeper

class Hangs(ToyAudio):
    def training_step(self, batch, batch_index):
        if self.trainer.global_step == 2:
            time.sleep(60)
        return super().training_step(batch, batch_index)

dog = Watchdog(minutes=0.02, first_minutes=1, beat_seconds=0.1)
fit(Hangs(), Path(sys.argv[1]), [keeper(every_n_steps=2), dog], logger=False)
"""


class Slow(ToyAudio):
    """Takes its time for each step, and notes what was told of it meanwhile."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.told: list[dict] = []

    def training_step(self, batch, batch_index):
        time.sleep(0.12)
        if (self.folder / FILE).is_file():
            self.told.append(json.loads((self.folder / FILE).read_text()))
        return super().training_step(batch, batch_index)


def test_a_slow_run_lives_and_says_so(tmp_path: Path) -> None:
    module = Slow(tmp_path)
    dog = Watchdog(minutes=0.3 / 60, first_minutes=0.3 / 60, beat_seconds=0.02)
    fit(module, tmp_path, [dog], logger=False)
    steps = [told["step"] for told in module.told]
    assert steps == sorted(steps)
    assert steps[-1] == 5
    assert {told["doing"] for told in module.told} >= {"training"}
    assert all(told["seconds"] < 0.3 for told in module.told)
    time.sleep(0.1)
    assert "watchdog" not in {thread.name for thread in threading.enumerate()}


def test_it_stops_watching_when_training_fails(tmp_path: Path) -> None:
    class Fails(ToyAudio):
        def training_step(self, batch, batch_index):
            raise RuntimeError("the first step")

    dog = Watchdog(minutes=1, first_minutes=1, beat_seconds=0.05)
    with pytest.raises(RuntimeError, match="the first step"):
        fit(Fails(), tmp_path, [dog], logger=False)
    time.sleep(0.15)
    assert dog.over is None
    assert "watchdog" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.long
def test_a_run_that_hangs_ends_and_shows_where(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", HANGS, str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 75, done.stderr
    assert "nothing has moved for 1 s while training after step 2" in done.stderr
    assert "in training_step" in done.stderr
    assert (tmp_path / "checkpoints" / "last.ckpt").is_file()
