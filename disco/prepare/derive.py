"""What follows from all finished files together: records, splits, and the report of what was refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from disco.core.record import Record
from disco.core.stage import Problem
from disco.prepare.journal import Line
from disco.prepare.keep import plain_problems
from disco.prepare.metadata import Described, described
from disco.prepare.records import (
    in_many_folders,
    one_of_each,
    one_per_code,
    read_prints,
    records_of,
    report_lines,
)
from disco.prepare.scan import told
from disco.prepare.split import split_usefully
from disco.prepare.ties import duplicates


@dataclass(frozen=True)
class Derived:
    """The records, and the lines of the report."""

    records: list[Record]
    report: list[dict[str, str]]


def derive(
    target: Path,
    lines: Sequence[Line],
    *,
    problems: Mapping[str, Problem],
    source: Path,
    previous: Mapping[str, str],
    shares: Mapping[str, float],
    seed: int,
    materialised: bool,
    folders_apart: bool,
) -> Derived:
    """Derive manifest and report; nothing is written.

    `lines` are those of the journal, in the order of the names; `problems` are of files that have no line;
    `previous` says the split by id of an earlier run.
    """
    told_of: dict[str, list[dict[str, str]]] = {
        name: plain_problems([problem]) for name, problem in problems.items()
    }
    kept, doubles = one_of_each(lines)
    for line in lines:
        if line["problems"]:
            told_of[line["name"]] = one_per_code(line["problems"])
    for name, problem in doubles.items():
        told_of.setdefault(name, []).extend(plain_problems([problem]))
    said = described(source, [source / line["name"] for line in kept])
    for name, one in said.items():
        told_of.setdefault(name, []).extend(plain_problems(one.problems))

    apart = folders_apart and in_many_folders(kept)
    records: list[Record] = []
    wishes: dict[str, str] = {}
    for line in kept:
        mine = said.get(line["name"]) or Described()
        made = records_of(line, mine, materialised=materialised, folders_apart=apart)
        records += made
        if wish := mine.fields.get("split"):
            wishes |= {record.id: wish for record in made}
    prints = read_prints(target, kept)
    _tell_doubles(told_of, prints, {line["sha256"][:16]: line["name"] for line in kept})
    records, let_go = split_usefully(
        records, shares=shares, seed=seed, prints=prints, previous={**previous, **wishes}
    )
    if let_go and kept:
        _tell_let_go(told_of, let_go, kept[0]["name"])
    _tell_homeless(told_of, records, kept)
    return Derived(records, report_lines({name: rows for name, rows in told_of.items() if rows}))


def _tell_doubles(
    told_of: dict[str, list[dict[str, str]]], prints: Mapping[str, np.ndarray], names: Mapping[str, str]
) -> None:
    for one, other in duplicates(prints):
        first, second = sorted((names[one[:16]], names[other[:16]]), key=told)
        reason = f"it sounds like {told(first)}; both are kept on one side of the split"
        problem = Problem("near_duplicate", reason, "remove one of the two if it is a copy", "warn")
        told_of.setdefault(second, []).extend(plain_problems([problem]))


def _tell_let_go(told_of: dict[str, list[dict[str, str]]], kinds: Sequence[str], name: str) -> None:
    shared = " and ".join({"group": "folder"}.get(kind, kind) for kind in kinds)
    reason = f"nothing could be held out with every {shared} on one side of the split, so they are on several"
    cure = "add music of others; until then, measures on val and test flatter"
    told_of.setdefault(name, []).extend(plain_problems([Problem("shared_sides", reason, cure, "warn")]))


def _tell_homeless(
    told_of: dict[str, list[dict[str, str]]], records: Sequence[Record], kept: Sequence[Line]
) -> None:
    names: dict[str, Any] = {line["sha256"][:16]: line["name"] for line in kept}
    for name in dict.fromkeys(names[record.id[:16]] for record in records if record.split is None):
        reason = "it belongs to recordings on two sides of the split, so it is on none"
        cure = "remove metadata/manifest.jsonl to split anew, or leave it out"
        told_of.setdefault(name, []).extend(plain_problems([Problem("two_sides", reason, cure, "warn")]))
