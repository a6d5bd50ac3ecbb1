"""Runs in one process and in two, watched from outside."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from tests.apps.faulty_train import make, noting

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tests" / "apps" / "faulty_train.py"
STILL = ["model.dropout=0", "model.condition_dropout=0"]  # no chance in it
EVERY = ["callbacks.history.every_steps=1", "trainer.log_every_n_steps=1"]
Cases = list[tuple[Path, list[str]]]


def surroundings(**more: str) -> dict[str, str]:
    """Return the environment of a process of ours."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **more}


def in_two(folder: Path, cases: Cases) -> None:
    """Make runs one after another in the same two processes, which is much faster than two for each."""
    folder.mkdir(parents=True, exist_ok=True)
    listed = folder / "cases.json"
    listed.write_text(json.dumps([[str(place), words] for place, words in cases]))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = str(listener.getsockname()[1])
    logs = [(folder / f"rank-{rank}.log").open("w") for rank in (0, 1)]
    ranks = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), str(listed)], cwd=ROOT, stdout=log, stderr=log,
            env=surroundings(MASTER_ADDR="127.0.0.1", MASTER_PORT=port, LOCAL_RANK=str(rank), WORLD_SIZE="2"),
        )
        for rank, log in enumerate(logs)
    ]  # fmt: skip
    codes = [rank.wait(timeout=900) for rank in ranks]
    for log in logs:
        log.close()
    assert codes == [0, 0], "".join((folder / f"rank-{rank}.log").read_text()[-4000:] for rank in (0, 1))


def alone(folder: Path, words: list[str]) -> None:
    """Make a run in this process."""
    with noting():
        make(folder, words)


def fed(folder: Path) -> dict[int, list[tuple[int, int]]]:
    """Return the items of each step, by step, in the order of the global batch."""
    found: dict[int, dict[int, list[tuple[int, int]]]] = {}
    for path in sorted((folder / "notes").glob("rank-*.jsonl")):
        rank = int(path.stem.removeprefix("rank-"))
        for line in path.read_text().splitlines():
            row = json.loads(line)
            found.setdefault(row["step"], {})[rank] = [tuple(key) for key in row["keys"]]
    return {step: _dealt([by_rank[rank] for rank in sorted(by_rank)]) for step, by_rank in found.items()}


def _dealt(parts: list[list[tuple[int, int]]]) -> list[tuple[int, int]]:
    return [part[place] for place in range(len(parts[0])) for part in parts if place < len(part)]


def losses(folder: Path) -> dict[int, float]:
    """Return the training loss of each step."""
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return {row["step"]: row["train/loss"] for row in lines if "train/loss" in row}


def largest_gap(one: Path, other: Path) -> float:
    """Return how far two files of weights are apart."""
    mine, theirs = load_file(one), load_file(other)
    assert set(mine) == set(theirs)
    gaps: list[torch.Tensor] = [(mine[name].double() - theirs[name].double()).abs().max() for name in mine]
    return float(torch.stack(gaps).max())
