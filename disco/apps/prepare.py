"""`scripts/prepare.py`: raw material becomes a data set with a manifest."""

from __future__ import annotations

import sys
from pathlib import Path

from omegaconf import DictConfig
from rich.console import Console

from disco.apps.compose import build


def main(cfg: DictConfig) -> None:
    """Run the stage that the config names and say what it left behind."""
    stage = build(cfg.prepare, "prepare")
    console = Console()
    records = stage.run(_reporter())
    hours = {
        split: sum(r.duration for r in records if r.split == split) / 3600
        for split in ("train", "val", "test")
    }
    shares = ", ".join(f"{split} {value:.2f} h" for split, value in hours.items())
    console.print(f"{len(records)} clips: {shares}")
    refused = Path(stage.target) / "metadata" / "refused.txt"
    if refused.is_file() and (lines := refused.read_text().splitlines()):
        console.print(f"{len(lines)} files were refused; see {refused}")
    console.print(f"train on it: python train.py data=audio data.root={stage.target}")


def _reporter():
    """Show one updating line on a terminal, and a line per tenth elsewhere."""
    tty = sys.stdout.isatty()
    shown = -1

    def report(done: int, total: int) -> None:
        nonlocal shown
        if tty:
            sys.stdout.write(f"\r{done}/{total}" + ("\n" if done == total else ""))
            sys.stdout.flush()
        elif done * 10 // total > shown:
            shown = done * 10 // total
            sys.stdout.write(f"{done}/{total}\n")

    return report
