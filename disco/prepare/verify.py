"""Whether a prepared folder still holds, byte for byte, what its preparation wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from disco.core.files import write_text
from disco.core.stage import Problem
from disco.prepare.journal import Line, decode
from disco.prepare.keep import checksum
from disco.prepare.layout import in_use
from disco.prepare.scan import stamp

JOURNAL, WHOLE = "metadata/journal.jsonl", "metadata/whole.json"


def damaged_since(root: Path) -> dict[str, Problem]:
    """Return what `verify` says of the stored files; what was whole and stays as it is is not read again.

    A folder that is being prepared is not looked at: its files are ahead of its journal.
    """
    if in_use(root):
        return {}
    try:
        seen = json.loads((root / WHOLE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        seen = {}
    before = dict(seen)
    found = verify(root, seen=seen)
    if seen != before:
        with suppress(OSError):  # a folder that is only read is read anew the next time
            write_text(root / WHOLE, json.dumps(seen, sort_keys=True) + "\n")
    return {name: problem for name, problem in found.items() if name != JOURNAL}


def verify(root: Path, *, seen: dict[str, list[int]] | None = None) -> dict[str, Problem]:
    """Read every stored file and return what is wrong, by its path below `root`.

    `changed` is a file whose bytes are others than were written, `missing` one that is gone, `torn` a
    journal with a line that cannot be trusted. Preparing again mends all three.

    Args:
        root: the data set's folder.
        seen: by path, the checksum and the stamp of what was found whole; it is passed over, and added to.
    """
    cure = "run the same preparation again: it makes what is missing"
    found: dict[str, Problem] = {}
    newest: dict[str, Line] = {}
    for number, line in _lines(root / JOURNAL):
        if line is None:
            found[JOURNAL] = Problem("torn", f"line {number} is damaged", cure, "refuse")
            break
        newest[line["name"]] = line
    for line in newest.values():
        for name, (size, crc) in line["files"].items():
            path = root / name
            if not path.is_file():
                found[name] = Problem(
                    "missing", f"it was made from {line['name']!r} and is gone", cure, "refuse"
                )
                continue
            now = [crc, *stamp(path.stat())]
            if seen is not None and seen.get(name) == now:
                continue
            if checksum(path) != [size, crc]:
                reason = f"its bytes are not those that were made from {line['name']!r}"
                found[name] = Problem("changed", reason, f"delete it; {cure}", "refuse")
            elif seen is not None:
                seen[name] = now
    return found


def _lines(path: Path) -> Iterator[tuple[int, Line | None]]:
    if not path.is_file():
        return
    with path.open("rb") as file:
        for number, data in enumerate(file, 1):
            yield number, decode(data.rstrip(b"\n")) if data.endswith(b"\n") else None
