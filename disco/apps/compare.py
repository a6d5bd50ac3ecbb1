"""`scripts/compare.py`: evaluations side by side, and what their difference does and does not say."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from omegaconf import DictConfig
from rich.console import Console
from rich.table import Column, Table

from disco.apps.compare_page import write_page_of
from disco.apps.differences import Compared, Difference, compare
from disco.apps.evaluate_page import written
from disco.apps.scores import Found, read_found
from disco.apps.systems import names_of
from disco.errors import DiscoError


def main(cfg: DictConfig) -> list[Compared]:
    """Compare every evaluation with the first one, print a table, and write `report.html`.

    Raises:
        DiscoError: fewer than two evaluations, or one of them lacks the system.
    """
    folders = [Path(folder) for folder in cfg.folders]
    if len(folders) < 2:
        raise DiscoError(
            f"compare holds evaluations beside one another, and was given {len(folders)}",
            do="name two folders that scripts/evaluate.py made",
        )
    names = names_of(folders)
    found = {name: read_found(folder) for name, folder in zip(names, folders, strict=True)}
    for name, one in found.items():
        if cfg.system not in one.systems:
            raise DiscoError(
                f"{name} has no system '{cfg.system}'", do=f"choose system={'|'.join(one.systems)}"
            )
    base = names[0]
    results = [
        compare(found[base], found[name], (base, name), system=cfg.system, level=cfg.level)
        for name in names[1:]
    ]
    console = Console()
    console.print(table(found, results, cfg.system))
    for one in results:
        for sentence in one.sentences:
            console.print(sentence, markup=False, soft_wrap=True)
    folder = Path(cfg.run_dir)
    command = shlex.join(["python", *sys.argv])
    write_page_of(folder / "report.html", found, results, system=cfg.system, command=command)
    console.print(f"listen and look: {folder / 'report.html'}", soft_wrap=True)
    return results


def table(found: Mapping[str, Found], results: Sequence[Compared], system: str) -> Table:
    """Lay out the values of all, and the differences from the first."""
    shown = Table(
        Column("measure", overflow="fold"), *found, *(f"{one.names[1]} − {one.names[0]}" for one in results)
    )
    for name in dict.fromkeys(key for one in found.values() for key in one.systems[system]):
        cells = [written(one.systems[system].get(name)) for one in found.values()]
        shown.add_row(name, *cells, *(said(one.differences.get(name)) for one in results))
    return shown


def said(difference: Difference | None) -> str:
    """Write a difference with its interval; a star where it is no chance."""
    if difference is None:
        return ""
    star = " *" if difference.claimed else ""
    if difference.low is None or difference.high is None:
        return f"{difference.value:+.3g}"
    return f"{difference.value:+.3g} [{difference.low:+.3g}, {difference.high:+.3g}]{star}"
