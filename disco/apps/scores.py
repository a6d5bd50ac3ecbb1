"""What an evaluation found, as it lies in its folder: `scores.json` and `samples.jsonl`, without dates."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from disco.core.files import write_text
from disco.core.record import parse_json
from disco.errors import DiscoError

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One measure of one system.

    Attributes:
        low, high: ends of its interval; None where none can be given.
        takes: how many takes define it; None where it is not made of takes.
        higher_is_better: None where neither is.
    """

    value: float
    low: float | None = None
    high: float | None = None
    takes: int | None = None
    higher_is_better: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One take of one system.

    Attributes:
        pair: what takes of other systems, and of other evaluations, share that were asked for the same.
        sound: SHA-256 of its samples; reference: of those it was held against.
        values: measure to value; what it does not define is left out.
    """

    system: str
    name: str
    pair: str
    file: str
    caption: str | None
    sound: str
    reference: str | None
    values: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A file that could not be read."""

    file: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Found:
    """A whole evaluation.

    Attributes:
        systems: system to measure to cell; `made` is the one that was asked about.
        not_computed: system to metric or measure to the reason.
        settings: what the numbers depend on: metrics by the hash of their settings, the reference, ….
    """

    systems: Mapping[str, Mapping[str, Cell]]
    samples: Sequence[Sample] = ()
    not_computed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    skipped: Sequence[Skipped] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        """The system that the evaluation is about: the first."""
        return next(iter(self.systems))

    def table(self) -> dict[str, dict[str, float]]:
        """Return the values alone: system to measure to value."""
        return {name: {key: cell.value for key, cell in row.items()} for name, row in self.systems.items()}


def write_found(folder: Path, found: Found) -> None:
    """Write both files, `scores.json` last: where it is, the rest is too."""
    lines = [json.dumps(_rounded(asdict(one)), ensure_ascii=False, allow_nan=False) for one in found.samples]
    write_text(folder / "samples.jsonl", "".join(f"{line}\n" for line in lines))
    whole = {
        "format": FORMAT,
        "settings": dict(found.settings),
        "systems": {
            name: {key: asdict(cell) for key, cell in row.items()} for name, row in found.systems.items()
        },
        "not_computed": {name: dict(row) for name, row in found.not_computed.items()},
        "skipped": [asdict(one) for one in found.skipped],
    }
    text = json.dumps(_rounded(whole), indent=1, ensure_ascii=False, allow_nan=False)
    write_text(folder / "scores.json", f"{text}\n")


def read_found(folder: Path) -> Found:
    """Read what `write_found` wrote.

    Raises:
        DiscoError: the folder holds no finished evaluation, or one of another format.
    """
    path = folder / "scores.json"
    if not path.is_file():
        raise DiscoError(f"{folder} holds no finished evaluation", do="make one with scripts/evaluate.py")
    try:
        whole = parse_json(path.read_text(encoding="utf-8"))
        if whole.get("format") != FORMAT:
            raise DiscoError(f"{path} has another format", do="evaluate again with this version")
        lines = (folder / "samples.jsonl").read_text(encoding="utf-8").splitlines()
        return Found(
            systems={
                name: {key: Cell(**cell) for key, cell in row.items()}
                for name, row in whole["systems"].items()
            },
            samples=[Sample(**parse_json(line)) for line in lines],
            not_computed=whole["not_computed"],
            skipped=[Skipped(**one) for one in whole["skipped"]],
            settings=whole["settings"],
        )
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise DiscoError(f"{path} is damaged: {error}", do="evaluate again") from error


def read_table(folder: Path) -> dict[str, dict[str, float]]:
    """Return the values of an evaluation alone: system to measure to value."""
    return read_found(folder).table()


def _rounded(value: Any) -> Any:
    """Keep ten significant digits: what lies below is the order of a sum."""
    if isinstance(value, float):
        assert math.isfinite(value), "what is not a number is listed as not computed"
        return float(f"{value:.10g}")
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(one) for one in value]
    return value
