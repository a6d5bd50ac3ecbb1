"""`scripts/tune.py`: finder and pilot on a part of the data, then a grid of learning rate and rank."""

from __future__ import annotations

import json
import math
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra import compose
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from disco.apps.sweep.best import write_best
from disco.apps.sweep.points import Row, read_rows
from disco.core.files import write_text
from disco.errors import DiscoError

OWN = ("trainer.max_steps", "data_fraction", "plan")  # words of the trials, not of the training that follows


def main(cfg: DictConfig) -> dict[str, Any]:
    """Do what is not done yet of the three stages; write `tune.json` and the winner as an experiment.

    Raises:
        DiscoError: a stage failed, or none of its points came to an end.
    """
    folder, console = Path(cfg.run_dir), Console(highlight=False)
    words = shlex.split(cfg.words)
    for share in (cfg.fraction, cfg.grid.fraction):
        if not 0 < share <= 1:
            raise DiscoError(f"fraction={share}: it must be above 0 and at most 1", do="0.15 is usual")
    ranked = "rank" in compose("train", [*words, "run_dir=none"]).adapter
    found = _find(cfg, words, folder / "finder", console)
    pilot = _sweep(
        cfg, [*words, f"data_fraction={cfg.fraction}", _rates(found, cfg.pilot.factors)], cfg.pilot.steps,
        folder / "pilot", console,
    )  # fmt: skip
    rate = float(pilot[0].given["optim.lr"])
    ranks = ["adapter.rank=" + ",".join(map(str, cfg.grid.ranks))] if ranked else []
    grid = _sweep(
        cfg, [*words, f"data_fraction={cfg.grid.fraction}", _rates(rate, cfg.grid.factors), *ranks],
        cfg.grid.steps, folder / "grid", console,
    )  # fmt: skip
    return _tell(folder, found, pilot[0], grid[0], console)


def _rates(middle: float, factors: Sequence[float]) -> str:
    return "optim.lr=" + ",".join(f"{middle * factor:.2g}" for factor in factors)


def _find(cfg: DictConfig, words: Sequence[str], folder: Path, console: Console) -> float:
    path = folder / "found.json"
    if not path.is_file():
        own = [f"data_fraction={cfg.fraction}", f"lr.steps={cfg.finder_steps}", f"hydra.run.dir={folder}"]
        _call(["scripts/find.py", "what=[lr]", *words, *own], console)
    if not path.is_file():
        raise DiscoError(
            "the learning rate was not found", do="see the lines above, or give more finder_steps"
        )
    return float(json.loads(path.read_text(encoding="utf-8"))["optim.lr"])


def _sweep(cfg: DictConfig, words: Sequence[str], steps: int, folder: Path, console: Console) -> list[Row]:
    launcher = (
        ["hydra/launcher=processes", f"hydra.launcher.workers={cfg.workers}"] if cfg.workers > 1 else []
    )
    own = [f"trainer.max_steps={steps}", "plan=off", *launcher, f"hydra.sweep.dir={folder}"]
    _call(["train.py", "-m", *words, *own], console)
    rows = read_rows(folder)
    if not rows or not math.isfinite(rows[0].cost):
        raise DiscoError(f"{folder}: no point came to an end", do="see the lines above")
    return rows


def _call(words: Sequence[str], console: Console) -> None:
    console.print(f"$ python {shlex.join(words)}", markup=False, soft_wrap=True, style="cyan")
    if subprocess.run([sys.executable, *words], check=False).returncode == 2:
        raise DiscoError(f"{words[0]} was refused", do="see the line above")


def _tell(folder: Path, found: float, pilot: Row, grid: Row, console: Console) -> dict[str, Any]:
    lasting = [word for word in grid.point.words if word.partition("=")[0] not in OWN]
    command = shlex.join(
        ["python", *write_best(folder, lasting, f"The best of a grid: val/loss {grid.cost:.4f}.")]
    )
    rank = grid.given.get("adapter.rank", "")
    rows = [
        ("finder", f"{found:.2g}", "", ""),
        ("pilot", pilot.given["optim.lr"], "", f"{pilot.cost:.4f}"),
        ("grid", grid.given["optim.lr"], rank, f"{grid.cost:.4f}"),
    ]
    shown = Table("stage", "learning rate", "rank", "val/loss")
    for row in rows:
        shown.add_row(*row)
    console.print(shown)
    console.print(f"train with it: {command}", markup=False, soft_wrap=True)
    facts = {
        "found": found,
        "pilot": {"optim.lr": float(pilot.given["optim.lr"]), "val/loss": pilot.cost},
        "grid": {"optim.lr": float(grid.given["optim.lr"]), "rank": rank or None, "val/loss": grid.cost},
        "command": command,
    }
    write_text(folder / "tune.json", json.dumps(facts, indent=1))
    return facts
