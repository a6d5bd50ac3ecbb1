"""The table of a sweep in the terminal, as CSV and JSON, and as a page with pictures."""

from __future__ import annotations

import csv
import io
import json
import math
import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from disco.apps.sweep.best import write_best
from disco.apps.sweep.importance import importances
from disco.apps.sweep.points import Row, varied
from disco.core.files import write_text
from disco.report.bars import Bar, Bars
from disco.report.page import Command, Grid, Page, write_page
from disco.report.parallel import Parallel

FEWEST = 4  # finished points, below which nothing is said of what matters
LEAD = "Each row is a run of the same command with other settings, by its validation loss, best first."


def show_board(sweep: Path, rows: Sequence[Row]) -> None:
    """Print the table, and write `leaderboard.{json,csv,html}` and the best point's experiment."""
    names = varied(rows)
    write_text(sweep / "leaderboard.json", json.dumps([_plain(row) for row in rows], indent=1))
    write_text(sweep / "leaderboard.csv", _csv(rows, names))
    leaves = [name.rpartition(".")[2] for name in names]
    heads = [leaf if leaves.count(leaf) == 1 else name for leaf, name in zip(leaves, names, strict=True)]
    shown = Table("run", *heads, "val/loss", "state", "moving", "seconds", box=SIMPLE_HEAD)
    for row in rows:
        shown.add_row(*_cells(row, names))
    console = Console(highlight=False)
    wide = console.measure(shown, options=console.options.update_width(1000)).maximum
    Console(width=max(console.width, wide)).print(shown)  # a rate without its end is no rate
    for row in rows:
        if row.point.error:
            console.print(f"{row.folder.name} crashed: {row.point.error}", markup=False, soft_wrap=True)
    command: list[str] = []
    if rows and math.isfinite(rows[0].cost):
        told = f"The best of {len(rows)} points of {sweep}: val/loss {rows[0].cost:.4f}."
        command = write_best(sweep, rows[0].point.words, told)
        typed = shlex.join(["python", *command])
        console.print(f"the best point: {typed}", markup=False, soft_wrap=True)
    _page(sweep, rows, names, command)
    console.print(
        f"the runs are in {sweep}, and leaderboard.html with pictures", markup=False, soft_wrap=True
    )


def _page(sweep: Path, rows: Sequence[Row], names: Sequence[str], command: Sequence[str]) -> None:
    done = [row for row in rows if math.isfinite(row.cost)]
    columns = {name: [_value(row.given.get(name, "")) for row in done] for name in names}
    amounts: list[Bars | Parallel] = []
    if names and len(done) >= FEWEST:
        shares = importances(columns, [row.cost for row in done])  # pyright: ignore[reportArgumentType]
        ranked = sorted(shares.items(), key=lambda pair: -pair[1])
        amounts.append(
            Bars(
                title="What matters",
                bars=[Bar(name=name, value=share, text=f"{100 * share:.0f} %") for name, share in ranked],
                text="Share of the variance of the validation loss between the values of one key alone.",
            )
        )
    if names and done:
        points = [[*(columns[name][k] for name in names), row.cost] for k, row in enumerate(done)]
        amounts.append(
            Parallel(
                title="Settings and outcome",
                axes=[*names, "val/loss"],
                points=points,
                text="A line per finished point, from its settings to its loss; the best stands out.",
            )
        )
    errors = [f"{row.folder.name}: {row.point.error}" for row in rows if row.point.error]
    page = Page(
        title="Leaderboard",
        lead=LEAD,
        grids=[
            Grid(
                title=f"{len(rows)} points",
                columns=["run", *names, "val/loss", "state", "moving", "seconds"],
                rows=[_cells(row, names) for row in rows],
            )
        ],
        amounts=amounts,
        rough=errors,
        commands=[Command(text="Train the best point", command=shlex.join(["python", *command]))]
        if command
        else [],
    )
    write_page(sweep / "leaderboard.html", page)


def _cells(row: Row, names: Sequence[str]) -> list[str]:
    point, facts = row.point, row.facts
    loss = "–" if point.value is None or point.state == "crashed" else f"{point.value:.4f}"
    state = f"pruned at {point.pruned_at}" if point.state == "pruned" else point.state
    state = "killed" if state == "running" else state
    given = [_short(row.given.get(name, "")) for name in names]
    moving = facts.get("parameters", {}).get("moving")
    moving_text = "" if moving is None else f"{moving:,}"
    return [row.folder.name, *given, loss, state, moving_text, str(facts.get("seconds", ""))]


def _value(text: str) -> str | float:
    try:
        value = float(text)
    except ValueError:
        return text
    return value if math.isfinite(value) else text


def _short(text: str) -> str:
    value = _value(text)
    return text if isinstance(value, str) else f"{value:.3g}"


def _plain(row: Row) -> dict[str, object]:
    return {
        "run": str(row.folder),
        "overrides": row.given,
        "val/loss": row.point.value,
        "state": row.point.state,
        "pruned_at": row.point.pruned_at,
        "error": row.point.error,
        "moving": row.facts.get("parameters", {}).get("moving"),
        "seconds": row.facts.get("seconds"),
    }


def _csv(rows: Sequence[Row], names: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["run", *names, "val/loss", "state", "moving", "seconds", "error"])
    for row in rows:
        plain = _plain(row)
        writer.writerow(
            [
                row.folder.name,
                *(row.given.get(name, "") for name in names),
                *(plain[key] for key in ("val/loss", "state", "moving", "seconds", "error")),
            ]
        )
    return text.getvalue()
