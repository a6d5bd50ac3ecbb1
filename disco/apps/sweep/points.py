"""The points of a sweep: a folder each, that says what it was given and what came of it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from disco.core.files import write_text

FILE = "point.json"
State = Literal["running", "finished", "pruned", "crashed"]
DONE = ("finished", "pruned")


@dataclass(frozen=True, kw_only=True)
class Point:
    """One run of a sweep.

    Attributes:
        words: what it was told on top of the command, in order of the keys.
        state: "running" is also said of one whose process was killed.
        value: the validation loss; None where there is none.
        error: why it crashed.
        pruned_at: the step after which it was given up.
    """

    words: list[str]
    state: State = "running"
    value: float | None = None
    error: str = ""
    pruned_at: int | None = None

    def write(self, folder: Path) -> None:
        """Write the point down in its folder."""
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / FILE, json.dumps(asdict(self), indent=1))


def read_point(folder: Path) -> Point | None:
    """Return the point of a folder; None where none has begun."""
    path = folder / FILE
    return Point(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def mark_pruned(folder: Path, step: int) -> None:
    """Note that a running point is given up."""
    point = read_point(folder)
    assert point is not None
    Point(words=point.words, pruned_at=step).write(folder)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A point with what its run wrote down.

    Attributes:
        given: key and value of each of its words.
        facts: of `run.json`.
    """

    folder: Path
    point: Point
    given: dict[str, str]
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def cost(self) -> float:
        """What it is ranked by: the validation loss; infinite where the point did not finish."""
        value = self.point.value
        finite = self.point.state == "finished" and value is not None and math.isfinite(value)
        return float(value) if finite and value is not None else math.inf


def read_rows(sweep: Path) -> list[Row]:
    """Return the points of a sweep, best first; those that were given up or crashed come last."""
    folders = sorted((path.parent for path in sweep.glob(f"*/{FILE}")), key=lambda f: (len(f.name), f.name))
    rows = []
    for folder in folders:
        point, path = read_point(folder), folder / "run.json"
        assert point is not None
        facts = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        rows.append(Row(folder=folder, point=point, given=given(point.words), facts=facts))
    order = ("finished", "pruned", "crashed", "running")
    return sorted(rows, key=lambda row: (order.index(row.point.state), row.cost))


def given(words: Sequence[str]) -> dict[str, str]:
    """Split words into keys and values."""
    return {key: value for key, equals, value in (word.partition("=") for word in words) if equals}


def varied(rows: Sequence[Row]) -> list[str]:
    """Return the keys in which the points differ."""
    names = sorted({name for row in rows for name in row.given})
    return [name for name in names if len({row.given.get(name) for row in rows}) > 1]
