"""The diary of a preparation: one checked line per finished file, so that nothing finished is done twice."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from disco.drafts import durable, settle

Line = dict[str, Any]
_TAIL = len(',"crc":"00000000"}')


def encode(line: Mapping[str, Any]) -> bytes:
    """Return a line of the journal: JSON whose last value is the CRC-32 of what stands before it."""
    body = json.dumps(line, sort_keys=True, separators=(",", ":"))[:-1].encode("ascii")
    return body + b',"crc":"%08x"}\n' % zlib.crc32(body)


def decode(data: bytes) -> Line | None:
    """Return a line's values, or None if it is torn or was changed."""
    body = data[:-_TAIL]
    if data[-_TAIL:] != b',"crc":"%08x"}' % zlib.crc32(body):
        return None
    return json.loads(body + b"}")


class Journal:
    """`journal.jsonl`, with the newest line of each name.

    Lines are added in batches; what they speak of must be on the disk before they are. A line that
    is torn or changed ends the file: it and what follows are cut off, and those files are done again.

    Args:
        folders: whose renamings are settled before each batch of lines.
    """

    def __init__(self, path: Path, folders: Iterable[Path]) -> None:
        self.path = path
        self.folders = tuple(folders)
        self.lines: dict[str, Line] = {}
        self._waiting: list[bytes] = []
        self._recover()

    def _recover(self) -> None:
        good = 0
        if self.path.is_file():
            data = self.path.read_bytes()
            while (end := data.find(b"\n", good)) >= 0:
                line = decode(data[good:end])
                if line is None:
                    break
                self.lines[line["name"]] = line
                good = end + 1
            if good == len(data):
                return
            with self.path.open("rb+") as file:
                file.truncate(good)
                os.fsync(file.fileno())

    def add(self, line: Line) -> None:
        """Note a finished file; it counts once `flush` has returned."""
        data = encode(line)
        self.lines[line["name"]] = decode(data[:-1]) or line  # as it will be read: keys in their order
        self._waiting.append(data)

    @property
    def waiting(self) -> int:
        """Lines that are not on the disk yet."""
        return len(self._waiting)

    def flush(self) -> None:
        """Put the waiting lines on the disk, after what they speak of."""
        if not self._waiting:
            return
        for folder in self.folders:
            settle(folder)
        is_new = not self.path.exists()
        with self.path.open("ab") as file:
            file.write(b"".join(self._waiting))
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            settle(self.path.parent)
        self._waiting.clear()

    def keep(self, names: Iterable[str]) -> bool:
        """Leave one line for each of these names, in their order; tell whether that changed the file."""
        self.lines = {name: self.lines[name] for name in names}
        data = b"".join(encode(line) for line in self.lines.values())
        if self.path.is_file() and self.path.read_bytes() == data:
            return False
        with durable(self.path) as draft:
            draft.write_bytes(data)
        settle(self.path.parent)
        return True
