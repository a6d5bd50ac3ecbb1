"""One line of a manifest: the guide's metadata schema, typed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from disco.core.files import write_text
from disco.errors import DiscoError

Split = Literal["train", "val", "test"]


@dataclass(frozen=True, kw_only=True)
class Record:
    """One piece: where its audio lies and what is known of it. Times are seconds, rates Hz.

    The piece is `duration` seconds of the file from `start` on, to be played `gain_db` louder and faded
    at its edges over `fade_seconds`. `provenance` says where a field came from: `human`, `tag`,
    `analysis:<stage>`, `model:<name>`. Pieces of one `group` never stand on two sides of a split.
    """

    id: str
    file_path: str
    duration: float
    sample_rate: int
    channels: int = 1
    genre: list[str] = field(default_factory=list)
    instruments: list[str] = field(default_factory=list)
    tempo: float | None = None
    key: str | None = None
    mood: list[str] = field(default_factory=list)
    year: int | None = None
    source: str | None = None
    split: Split | None = None
    features: dict[str, float] = field(default_factory=dict)
    title: str | None = None
    caption: str | None = None
    midi_path: str | None = None
    metre: str | None = None
    book: str | None = None
    group: str | None = None
    pickup_beats: float = 0.0
    start: float = 0.0
    gain_db: float = 0.0
    fade_seconds: float = 0.0
    artist: str | None = None
    album: str | None = None
    licence: str | None = None
    provenance: dict[str, str] = field(default_factory=dict)

    @property
    def beats_per_bar(self) -> float | None:
        """Quarter notes per bar, where the metre is known."""
        if self.metre is None:
            return None
        upper, lower = (int(number) for number in self.metre.split("/"))
        return 4.0 * upper / lower


def read_manifest(path: Path) -> list[Record]:
    """Read one record per line.

    Raises:
        DiscoError: the file is missing, or a line is not a record; names the line.
    """
    if not path.is_file():
        raise DiscoError(f"there is no manifest at {path}", do="make one with scripts/prepare.py")
    return list(_parse(path))


def _parse(path: Path) -> Iterator[Record]:
    known = {item.name for item in fields(Record)}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row: dict[str, Any] = json.loads(line)
            yield Record(**{name: value for name, value in row.items() if name in known})
        except (ValueError, TypeError) as error:
            raise DiscoError(f"{path}, line {number}: {error}", do="mend or remove the line") from error


def write_manifest(path: Path, records: Iterable[Record]) -> None:
    """Write one record per line; the file appears whole or not at all."""
    lines = (json.dumps(asdict(record), ensure_ascii=False) + "\n" for record in records)
    write_text(path, "".join(lines))
