"""`scripts/examine.py`: what a prepared folder holds, whether it is whole, and whether it is enough."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beartype.door import is_bearable
from omegaconf import DictConfig
from rich.console import Console

from disco.apps.examine_checks import Check, Facts, checks
from disco.apps.examine_files import damaged, read_prints, read_refusals
from disco.core.files import write_text
from disco.core.ranges import NaturalInt, phrase
from disco.core.record import MANIFEST, Fault, Record, read_manifest
from disco.errors import DiscoError
from disco.examine.budget import FLOORS, amount
from disco.examine.spreads import Spread, spreads
from disco.examine.tallies import Coverage, Tally, coverages, tallies
from disco.prepare.leaks import find_leaks
from disco.prepare.ties import duplicates

if TYPE_CHECKING:
    from collections.abc import Mapping

SHOWN = 6  # values of a field on a line of the terminal
MARKS = {True: "[green]✓[/]", False: "[red]✗[/]", None: "[yellow]![/]"}


@dataclass(frozen=True)
class Examination:
    """Everything that was found, as the page, the JSON file and the terminal tell it."""

    root: Path
    records: Sequence[Record]
    facts: Facts
    checks: Sequence[Check]
    tallies: Sequence[Tally]
    coverages: Sequence[Coverage]
    spreads: Sequence[Spread]

    @property
    def failed(self) -> bool:
        """Whether a check failed that matters."""
        return any(check.passed is False for check in self.checks)


def main(cfg: DictConfig) -> Examination:
    """Examine a folder, write `examine.json` and `examine.html`, and say the most important of it.

    Raises:
        DiscoError: there is no data set, or no such regime.
        SystemExit: with code 1, if a check failed and `strict` is on.
    """
    if cfg.root is None:
        raise DiscoError(
            "there is no folder to look into", do="name one: python scripts/examine.py data/mine"
        )
    if not is_bearable(cfg.clips, NaturalInt):
        raise DiscoError(f"clips={cfg.clips}: this is not {phrase(NaturalInt)}", do="give clips=6")
    found = examine(Path(str(cfg.root)).expanduser(), regime=str(cfg.regime), verify=bool(cfg.verify))
    folder = Path(cfg.run_dir)
    write_text(folder / "examine.json", json.dumps(as_json(found), indent=1, ensure_ascii=False) + "\n")
    from disco.apps.examine_page import write_examination  # torch, for the sound

    write_examination(folder / "examine.html", found, clips=cfg.clips)
    say(found, folder, Console(soft_wrap=True, highlight=False))
    if cfg.strict and found.failed:
        raise SystemExit(1)
    return found


def examine(root: Path, *, regime: str, verify: bool) -> Examination:
    """Look at everything that a folder holds; nothing in it is changed."""
    if regime not in FLOORS:
        raise DiscoError(f"regime={regime}: there is no such regime", do=f"choose from {', '.join(FLOORS)}")
    faults: list[Fault] = []
    records = read_manifest(root / MANIFEST, faults=faults)
    if not records:
        raise DiscoError(f"{root} lists no music that can be read", do="prepare it again")
    prints = read_prints(root, records)
    facts = Facts(
        faults=faults,
        damaged=damaged(root, records) if verify else None,
        leaks=find_leaks(records, prints),
        duplicates=duplicates(prints) if prints else None,
        refusals=read_refusals(root),
    )
    return Examination(
        root=root,
        records=records,
        facts=facts,
        checks=checks(records, facts, regime),
        tallies=tallies(records),
        coverages=coverages(records),
        spreads=spreads(records),
    )


def as_json(found: Examination) -> Mapping[str, Any]:
    """Return plain values for other programs."""
    return {
        "root": str(found.root),
        "pieces": len(found.records),
        "hours": hours_by_split(found.records),
        "checks": [asdict(check) for check in found.checks],
        "fields": {
            tally.field: {
                "hours": dict(tally.hours),
                "pieces": dict(tally.pieces),
                "unknown_hours": tally.unknown_hours,
                "entropy_bits": tally.entropy_bits,
                "effective_number": tally.effective,
            }
            for tally in found.tallies
        },
        "coverage": {one.field: {"share": one.share, "by": dict(one.by)} for one in found.coverages},
        "spreads": [asdict(spread) for spread in found.spreads],
        "faults": [asdict(fault) for fault in found.facts.faults],
        "damaged": found.facts.damaged,
        "leaks": [
            {"kind": leak.kind, "name": leak.name, "sides": dict(leak.sides)} for leak in found.facts.leaks
        ],
        "duplicates": found.facts.duplicates,
        "report": list(found.facts.refusals),
    }


def hours_by_split(records: Sequence[Record]) -> dict[str, float]:
    """Return the hours of each split, and under "none" of what has none."""
    found: dict[str, float] = {"train": 0.0, "val": 0.0, "test": 0.0}
    for record in records:
        name = record.split or "none"
        found[name] = found.get(name, 0.0) + record.duration / 3600
    return found


def say(found: Examination, folder: Path, console: Console) -> None:
    """Tell the most important on the terminal."""
    sides = ", ".join(f"{name} {amount(hours)}" for name, hours in hours_by_split(found.records).items())
    files = len({record.file_path for record in found.records})
    whole = amount(sum(record.duration for record in found.records) / 3600)
    console.print(
        f"{found.root}: {whole} of music, {len(found.records):,} pieces of {files:,} files ({sides})",
        markup=False,
    )
    console.print()
    for check in found.checks:
        console.print(f"{MARKS[check.passed]} {check.name:<11}", end="")
        console.print(check.told, markup=False)
        for line in check.examples[:3]:
            console.print(f"{'':<15}{line}", markup=False)
        if check.do:
            console.print(f"{'':<13}→ {check.do}", markup=False, style="dim")
    console.print()
    console.print("Where the hours are; ≈ 5 means as varied as 5 equally common values", markup=False)
    for tally in found.tallies:
        if tally.hours:
            console.print(f"  {tally.field:<12} ≈ {tally.effective:<5.1f} {_line(tally)}", markup=False)
    unknown = [tally.field for tally in found.tallies if not tally.hours]
    if unknown:
        console.print(f"  not known: {', '.join(unknown)}", markup=False)
    console.print()
    console.print(f"the whole of it, with sound: {folder / 'examine.html'}", markup=False)


def _line(tally: Tally) -> str:
    top = ", ".join(f"{value} {amount(hours)}" for value, hours in list(tally.hours.items())[:SHOWN])
    more = f" and {len(tally.hours) - SHOWN} more" if len(tally.hours) > SHOWN else ""
    unknown = f"; not known of {amount(tally.unknown_hours)}" if tally.unknown_hours else ""
    return f"{top}{more}{unknown}"
