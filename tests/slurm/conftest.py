"""A SLURM of this machine for the tests of this folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.slurm.runs import ROOT, Cluster
from tests.tiny_runs import TINY_SYMBOLIC

SCRIPT = ROOT / "scripts" / "slurm" / "local_cluster.sh"


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """What a job, and the command that submits it, have around them."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHON": sys.executable}


@pytest.fixture(scope="session")
def two_nodes(environment: dict[str, str]) -> Iterator[Mapping[str, str]]:
    """Start a cluster of two virtual nodes; what is given is the environment that leads to it."""
    folder = Path(tempfile.mkdtemp(prefix="slurm"))
    up = subprocess.run([SCRIPT, "up", folder, "2"], capture_output=True, text=True, check=False)
    try:
        assert up.returncode == 0, up.stderr
        yield {**environment, "SLURM_CONF": str(folder / "slurm.conf"), "MASTER_ADDR": "127.0.0.1"}
    finally:
        subprocess.run([SCRIPT, "down", folder], check=True)
        shutil.rmtree(folder)


@pytest.fixture
def cluster(two_nodes: Mapping[str, str], tmp_path: Path) -> Cluster:
    """The cluster as it is seen from a folder that has a train.py."""
    (tmp_path / "train.py").symlink_to(ROOT / "train.py")
    return Cluster(environment=two_nodes, folder=tmp_path)


@pytest.fixture
def words(corner: list[str]) -> list[str]:
    """A run that writes each step down, so that one can see where it went on."""
    return [
        *TINY_SYMBOLIC,
        *corner,
        "callbacks=[checkpoint,history,signals]",
        "callbacks.history.every_steps=1",
    ]
