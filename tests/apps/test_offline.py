"""Nothing reaches for the network, and what is missing beside the core is missed only where it is used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from disco.apps.runs import Run
from tests.tiny_runs import TINY_SYMBOLIC

ROOT = Path(__file__).resolve().parents[2]
CUT_OFF = """
import runpy, socket, sys

def refuse(*_, **__):
    raise AssertionError("something reaches for the network")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = refuse
for name in ("torchcodec", "audiocraft", "optuna", "ray", "submitit", "wandb", "fastapi", "laion_clap"):
    sys.modules[name] = None  # as if it were not installed
"""
EVERYTHING = """
import importlib, pkgutil, disco
for found in pkgutil.walk_packages(disco.__path__, "disco."):
    if not found.name.startswith(("disco.apps.sweep.", "disco.apps.play_server")):  # loaded where asked for
        importlib.import_module(found.name)
"""


def cut_off(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for proxy in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        environment.pop(proxy, None)
    command = [sys.executable, "-W", "ignore", "-c", CUT_OFF + code, *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment, timeout=900
    )


@pytest.mark.long
def test_every_module_is_imported_without_network_and_without_extras() -> None:
    done = cut_off(EVERYTHING)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.long
def test_a_run_needs_neither_network_nor_extras(corner: list[str], tmp_path: Path) -> None:
    words = [*TINY_SYMBOLIC, *corner, "trainer.max_steps=2", f"hydra.run.dir={tmp_path}"]
    done = cut_off("sys.argv[0] = 'train.py'\nrunpy.run_path('train.py', run_name='__main__')", *words)
    assert done.returncode == 0, done.stderr[-3000:]
    assert Run(tmp_path).facts["steps"] == 2
