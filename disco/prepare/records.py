"""From finished files to records: what the stages found, what people said, and who is whose double."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from disco.core.record import Record, field_types
from disco.core.stage import Problem, Source
from disco.prepare.journal import Line
from disco.prepare.keep import notes_of, opened_curves
from disco.prepare.metadata import Described
from disco.prepare.scan import told
from disco.prepare.store import CURVES, SOUNDS, pieces

MEASURED = frozenset(
    {
        "id",
        "file_path",
        "duration",
        "sample_rate",
        "channels",
        "start",
        "gain_db",
        "fade_seconds",
        "split",
        "features",
        "provenance",
        "source",
    }
)  # fmt: skip  what the preparation itself says of a piece
FEW_FOLDERS = 3  # a set in fewer folders could not be split along them


def records_of(line: Line, said: Described, *, materialised: bool, folders_apart: bool) -> list[Record]:
    """Return the records of one finished file, one per piece; what people said wins over analysis."""
    key, name = line["sha256"][:16], line["name"]
    source = Source(path=Path(), name=name, key=key, **line["source"])
    notes = notes_of(line["notes"], source, {})
    known = set(field_types()) - MEASURED
    fields: dict[str, Any] = {"title": told(PurePosixPath(name).stem)}
    fields |= {field: value for field, value in notes.fields.items() if field in known}
    fields |= {field: value for field, value in said.fields.items() if field in known}
    named = {*fields, "split"}  # an official split is honoured when all records are split
    provenance = {f: by for f, by in {**notes.provenance, **said.provenance}.items() if f in named}
    folder = str(PurePosixPath(name).parent)
    if folders_apart and folder != "." and not {"artist", "album", "group"} & set(fields):
        fields["group"] = told(folder)
    found: list[Record] = []
    for number, (start, end) in enumerate(pieces(notes)):
        cut = f"-{number:03d}" if materialised else ""
        found.append(
            Record(
                id=f"{key}-{number:03d}",
                file_path=f"{SOUNDS}/{key}{cut}.wav",
                start=0.0 if materialised else start,
                duration=(round(end * notes.rate) - round(start * notes.rate)) / notes.rate,
                sample_rate=notes.rate,
                channels=notes.channels,
                gain_db=0.0 if materialised else notes.gain_db,
                fade_seconds=0.0 if materialised else notes.fade_seconds,
                source=told(name),
                features=dict(notes.features),
                provenance=dict(provenance),
                **fields,
            )
        )
    return found


def in_many_folders(lines: Sequence[Line]) -> bool:
    """Tell whether folders can stand for albums."""
    return len({str(PurePosixPath(line["name"]).parent) for line in lines}) >= FEW_FOLDERS


def one_of_each(lines: Sequence[Line]) -> tuple[list[Line], dict[str, Problem]]:
    """Return the lines whose sound is kept, one per content, and a problem for each further copy."""
    first: dict[str, str] = {}
    found: list[Line] = []
    doubles: dict[str, Problem] = {}
    for line in lines:
        if any(problem["verdict"] == "refuse" for problem in line["problems"]):
            continue
        name = line["name"]
        other = first.setdefault(line["sha256"], name)
        if other == name:
            found.append(line)
        else:
            reason = f"it is the same file as {told(other)}"
            doubles[name] = Problem("duplicate", reason, "remove one of the two", "refuse")
    return found, doubles


def read_prints(target: Path, lines: Sequence[Line]) -> dict[str, np.ndarray]:
    """Return the fingerprint of each file that has one, by the id of its first piece."""
    found: dict[str, np.ndarray] = {}
    for line in lines:
        key = line["sha256"][:16]
        with opened_curves(target / CURVES / f"{key}.npz") as curves:
            if "fingerprint" in curves:
                found[f"{key}-000"] = curves["fingerprint"]
    return found


def one_per_code(problems: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Return one problem of each code, rather one that refuses: several stages may tell the same."""
    found: dict[str, dict[str, str]] = {}
    for problem in sorted(problems, key=lambda one: one["verdict"] != "refuse"):
        found.setdefault(problem["code"], dict(problem))
    return [found[code] for code in dict.fromkeys(problem["code"] for problem in problems)]


def report_lines(problems: Mapping[str, Sequence[Mapping[str, str]]]) -> list[dict[str, str]]:
    """Return the lines of `report.jsonl`: every problem with its file, in the order of the names."""
    return [
        {"file": told(name), **problem} for name in sorted(problems, key=told) for problem in problems[name]
    ]
