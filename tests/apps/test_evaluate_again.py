"""The command that a report prints makes the same report once more."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from disco.audio.clip import Clip
from disco.audio.io import write_clip

ROOT = Path(__file__).resolve().parents[2]
FILES = ("scores.json", "samples.jsonl", "report.html")


def printed_command(report: Path) -> str:
    found = re.search(r"<pre[^>]*>(python .*?)</pre>", report.read_text(), re.DOTALL)
    assert found
    return html.unescape(found[1])


@pytest.mark.long
def test_the_command_on_the_page_runs_as_it_is_printed_and_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, level in (("their songs", 0.4), ("real ones", 0.5)):
        for index in range(3):
            time = torch.arange(32000) / 16000
            wave = level * torch.sin(2 * torch.pi * (300.0 + 100 * index) * time)
            write_clip(tmp_path / name / f"song {index}.wav", Clip(wave[None], 16000))
    out = tmp_path / "out"
    words = [
        f"audio={{theirs:'{tmp_path / 'their songs'}'}}",
        f"reference='{tmp_path / 'real ones'}'",
        "metric=[signal,fd_logmel,distortion]",
        f"cache='{tmp_path / 'cache'}'",
        f"hydra.run.dir='{out}'",
    ]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run([sys.executable, "scripts/evaluate.py", *words], cwd=ROOT, check=True, capture_output=True)
    before = {name: (out / name).read_bytes() for name in FILES}
    command = printed_command(out / "report.html")
    for name in FILES:
        (out / name).unlink()
    subprocess.run(
        command, shell=True, cwd=ROOT, check=True, capture_output=True, env={**os.environ, "PATH": path}
    )
    for name in FILES:
        assert (out / name).read_bytes() == before[name], name
