"""`scripts/study.py`: adapters on one base, for the same steps: what they learn, forget and cost."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra import compose
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Column, Table

from disco.apps.losses import held_out_loss
from disco.apps.parts import build_data, how_to_get_a_base
from disco.apps.runs import Run, open_run
from disco.core.files import write_text
from disco.errors import DiscoError
from disco.report.chart import Curve
from disco.report.history import read_lines
from disco.report.page import Command, Grid, Page, write_page

COLUMNS = ("adapter", "new style", "old style", "moving", "of the base", "peak memory", "audio s per s")
LEAD = (
    "The same base, the same steps, one adapter each. Losses are in nats per token of held-out music: of the "
    "style that was learnt, and of the one that the base knew, which is what adapting made it forget."
)

Row = dict[str, Any]


def main(cfg: DictConfig) -> list[Row]:
    """Train every adapter that is not trained yet, measure all of them, and write the report.

    Raises:
        DiscoError: there is no base, or a training failed.
    """
    folder, console = Path(cfg.run_dir), Console()
    if not Run(Path(cfg.base)).weights.is_file():
        raise DiscoError(f"base: there is no trained base at {cfg.base}", do=how_to_get_a_base(cfg.family))
    words = {kind: _words(cfg, kind, folder) for kind in cfg.adapters}
    for number, kind in enumerate(cfg.adapters, 1):
        console.rule(f"{number}/{len(cfg.adapters)} {kind}")
        _train(words[kind], Run(folder / kind), console)
    rows = [_row("base, as it is", Path(cfg.base), cfg)]
    rows += [_row(kind, folder / kind, cfg) for kind in cfg.adapters]
    write_text(folder / "study.json", json.dumps(rows, indent=1))
    console.print(_table(rows))
    _page(folder, rows, words)
    console.print(f"written to {folder / 'report.html'}")
    return rows


def _words(cfg: DictConfig, kind: str, folder: Path) -> list[str]:
    given = f"model={cfg.family} adapter={kind} weights=run weights.run={cfg.base} {cfg.new} {cfg.more}"
    rate = f"optim.lr={cfg.rates[kind]}" if kind in cfg.rates else ""
    return shlex.split(
        f"train.py {given} {rate} trainer.max_steps={cfg.steps} resume=auto hydra.run.dir={folder}/{kind}"
    )


def _train(words: Sequence[str], run: Run, console: Console) -> None:
    """Run one training as a process of its own, so that its memory is its own."""
    if run.facts:
        console.print("done before")
        return
    console.print(f"$ python {shlex.join(words)}", markup=False, soft_wrap=True, style="cyan")
    process = subprocess.Popen([sys.executable, *words])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise DiscoError(f"{run.folder}: the training failed", do="see its last lines above")
    write_text(run.folder / "usage.json", json.dumps({"peak_mb": usage.ru_maxrss / 1000}))


def _row(kind: str, folder: Path, cfg: DictConfig) -> Row:
    run = Run(folder)
    module = open_run(folder)
    losses = {}
    for style in ("new", "old"):
        data = build_data(compose("train", [f"model={cfg.family}", *shlex.split(cfg[style])])).serve(
            module.view
        )
        data.prepare_data()
        losses[style] = held_out_loss(module, data, cfg.split)
    usage = folder / "usage.json"
    speed = read_lines(folder / "history.jsonl", ["speed/audio_seconds"])
    moving, total = (run.facts["parameters"][name] for name in ("moving", "total"))
    return {
        "adapter": kind,
        **losses,
        "moving": moving,
        "share": moving / total,
        "peak_mb": json.loads(usage.read_text())["peak_mb"] if usage.is_file() else None,
        "audio_seconds_per_second": sorted(speed[0].values)[len(speed[0].values) // 2] if speed else None,
    }


def _cells(row: Row) -> list[str]:
    peak, speed = row["peak_mb"], row["audio_seconds_per_second"]
    return [
        row["adapter"],
        f"{row['new']:.3f}",
        f"{row['old']:.3f}",
        f"{row['moving']:,}",
        f"{100 * row['share']:.2f} %",
        "" if peak is None else f"{peak:,.0f} MB",
        "" if speed is None else f"{speed:.1f}",
    ]


def _table(rows: Sequence[Row]) -> Table:
    shown = Table(Column(COLUMNS[0], no_wrap=True), *COLUMNS[1:])
    for row in rows:
        shown.add_row(*_cells(row))
    return shown


def _page(folder: Path, rows: Sequence[Row], words: dict[str, list[str]]) -> None:
    curves = [
        Curve(
            title=kind,
            lines=read_lines(folder / kind / "history.jsonl", ["train/loss", "val/loss"]),
            levels=[],
        )
        for kind in words
    ]
    page = Page(
        title="Adapters side by side",
        lead=LEAD,
        grids=[
            Grid(title="What they learnt, forgot and cost", columns=COLUMNS, rows=[_cells(r) for r in rows])
        ],
        curves=curves,
        commands=[Command(text=kind, command="python " + shlex.join(line)) for kind, line in words.items()],
    )
    write_page(folder / "report.html", page)
