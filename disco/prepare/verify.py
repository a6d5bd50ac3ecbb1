"""Whether a prepared folder still holds, byte for byte, what its preparation wrote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from disco.core.stage import Problem
from disco.prepare.journal import Line, decode
from disco.prepare.keep import checksum

JOURNAL = "metadata/journal.jsonl"


def verify(root: Path) -> dict[str, Problem]:
    """Read every stored file and return what is wrong, by its path below `root`.

    `changed` is a file whose bytes are others than were written, `missing` one that is gone, `torn` a
    journal with a line that cannot be trusted. Preparing again mends all three.
    """
    cure = "run the same preparation again: it makes what is missing"
    found: dict[str, Problem] = {}
    for number, line in _lines(root / JOURNAL):
        if line is None:
            found[JOURNAL] = Problem("torn", f"line {number} is damaged", cure, "refuse")
            break
        for name, (size, crc) in line["files"].items():
            path = root / name
            if not path.is_file():
                found[name] = Problem(
                    "missing", f"it was made from {line['name']!r} and is gone", cure, "refuse"
                )
            elif checksum(path) != [size, crc]:
                reason = f"its bytes are not those that were made from {line['name']!r}"
                found[name] = Problem("changed", reason, f"delete it; {cure}", "refuse")
    return found


def _lines(path: Path) -> Iterator[tuple[int, Line | None]]:
    if not path.is_file():
        return
    with path.open("rb") as file:
        for number, data in enumerate(file, 1):
            yield number, decode(data.rstrip(b"\n")) if data.endswith(b"\n") else None
