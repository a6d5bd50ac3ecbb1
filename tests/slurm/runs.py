"""Commands of a cluster, and what runs on it have left."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[2]
BATCHES = ROOT / "scripts" / "slurm"
TRIED = 300  # steps from which one sees how fast this machine is
ON_CPU = ["--cpus-per-task=1", "--mem=1G", "--partition=here"]  # over what a script asks for


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """SLURM, as it is spoken to from a folder."""

    environment: Mapping[str, str]
    folder: Path

    def call(self, *words: str | Path) -> str:
        """Run a command and return what it says."""
        done = subprocess.run(
            words, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    def submit(self, script: str, *words: str | Path) -> str:
        """Submit one of our scripts with words for sbatch and for it; return the number of the job."""
        text = (BATCHES / script).read_text()
        (self.folder / script).write_text(re.sub(r"--gpus-per-node=\d+ ?", "", text))  # there are none here
        told = [word for word in words if str(word).startswith("--")]
        rest = [word for word in words if not str(word).startswith("--")]
        return self.call("sbatch", "--parsable", *ON_CPU, *told, script, *rest)

    def state(self, job: str) -> str:
        """Return what SLURM says of a job."""
        return self.call("sacct", "-n", "-X", "-P", "-o", "State", "-j", job).split("\n")[-1].split()[0]

    def ended(self, job: str) -> bool:
        """Return whether a job has come to its end, for good, and its processes have left."""
        return not self.call("squeue", "-h", "-j", job)

    def restarts(self, job: str) -> int:
        """Return how often a job was queued again."""
        told = self.call("scontrol", "show", "job", job)
        return int(told.split("Restarts=")[1].split()[0])


def wait_until(is_so: Callable[[], bool], seconds: float = 300) -> None:
    """Return when it is so.

    Raises:
        TimeoutError: it does not become so.
    """
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.5)


def steps(folder: Path) -> list[int]:
    """Return the steps of a run in the order in which they were made."""
    path = folder / "history.jsonl"
    lines = path.read_text().splitlines() if path.is_file() else []
    return [row["step"] for row in map(json.loads, lines) if "lr" in row]


def whole_run(folder: Path, words: Sequence[str], environment: Mapping[str, str]) -> Path:
    """Make the same run here, in one go."""
    subprocess.run(
        [sys.executable, "train.py", *words, f"hydra.run.dir={folder}"],
        cwd=ROOT, env=environment, capture_output=True, check=True,
    )  # fmt: skip
    return folder


def steps_in(seconds: float, folder: Path, words: Sequence[str], environment: Mapping[str, str]) -> int:
    """Return how many steps of a run fill so many seconds here and now."""
    tried = whole_run(folder, [*words, f"trainer.max_steps={TRIED}"], environment)
    return round(TRIED * seconds / json.loads((tried / "run.json").read_text())["seconds"])


def assert_same(one: Path, other: Path) -> None:
    """Two runs ended with the same bits."""
    theirs, ours = load_file(one / "weights.safetensors"), load_file(other / "weights.safetensors")
    assert theirs.keys() == ours.keys()
    for name, tensor in theirs.items():
        assert torch.equal(tensor, ours[name]), name
