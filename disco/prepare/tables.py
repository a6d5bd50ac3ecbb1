"""Tables about a folder of music: CSV, JSON lines, the lists of other trainers; a row names its file."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from disco.core.record import LONGEST_LINE, parse_json
from disco.prepare.values import FILE_COLUMNS, column_name

TABLES = (
    "metadata.csv", "metadata.jsonl", "metadata.jsonl.gz", "data.jsonl", "data.jsonl.gz", "dataset.json",
)  # fmt: skip
LARGEST_TABLE = 1 << 30  # bytes when unpacked: what would be more is no table
LARGEST_LIST = 1 << 28  # bytes of a table that is one JSON value, and is read at once
LISTS = ("samples", "data", "items", "songs")  # where an object keeps its rows


class Index:
    """Finds the file that a row means.

    Args:
        folder: where the table lies; its paths start there.
        files: audio files by their name below the source folder.
    """

    def __init__(self, folder: Path, files: Mapping[str, Path]) -> None:
        self.known: dict[str, str | None] = {}
        for name, path in files.items():
            if not path.is_relative_to(folder):
                continue
            below = path.relative_to(folder).as_posix()
            for alias in {str(path), below, str(PurePosixPath(below).with_suffix(""))}:
                self.known[alias] = name
            for alias in {path.name, path.stem}:  # for paths of another machine, if only one file has it
                if alias != below and alias != str(PurePosixPath(below).with_suffix("")):
                    self.known[alias] = None if alias in self.known else name

    def find(self, said: str) -> str | None:
        """Return the file's name below the source folder."""
        path = PurePosixPath(said.replace("\\", "/"))
        for alias in (str(path), path.name, path.stem):
            if self.known.get(alias):
                return self.known[alias]
        return None


def read_table(path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Yield each row with its line number; a sentence stands for a row that cannot be read."""
    try:
        with _opened(path) as stream:
            readers = {".csv": _csv, ".json": _json_list}
            yield from readers.get(path.suffix, _json_lines)(stream)
    except (OSError, EOFError, csv.Error, UnicodeDecodeError) as error:
        yield 0, f"it cannot be read: {error}"


def file_of(row: Mapping[str, Any]) -> str | None:
    """Return what a row says its file is."""
    plain = {column_name(str(name)): value for name, value in row.items()}
    for name in FILE_COLUMNS:
        if isinstance(plain.get(name), str) and plain[name].strip():
            return plain[name].strip()
    return None


def _opened(path: Path) -> io.TextIOWrapper:
    raw = gzip.GzipFile(path) if path.suffix == ".gz" else path.open("rb")
    return io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")


def _csv(stream: io.TextIOWrapper) -> Iterator[tuple[int, dict[str, Any] | str]]:
    head = stream.readline(LONGEST_LINE)
    comma = max(",;\t", key=head.count)
    columns = next(csv.reader([head], delimiter=comma), [])
    reader = csv.reader(stream, delimiter=comma)
    for cells in reader:
        line = reader.line_num + 1
        if len(cells) > len(columns):
            yield line, f"it has {len(cells)} cells, its head {len(columns)}"
        elif any(cells):
            yield line, dict(zip(columns, cells, strict=False))


def _json_list(stream: io.TextIOWrapper) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Yield the rows of one JSON list, or of an object that holds one, as ACE-Step has it."""
    text = stream.read(LARGEST_LIST + 1)
    if len(text) > LARGEST_LIST:
        yield 0, f"it is longer than {LARGEST_LIST:,} characters"
        return
    try:
        whole = parse_json(text)
    except json.JSONDecodeError as error:
        yield error.lineno, f"it is not JSON: {error.msg}"
        return
    except ValueError as error:
        yield 0, str(error)
        return
    found = whole if isinstance(whole, list) else None
    if isinstance(whole, dict):
        found = next((whole[name] for name in LISTS if isinstance(whole.get(name), list)), None)
    if found is None:
        yield 0, f"it is neither a list nor an object with one under {', '.join(LISTS)}"
        return
    for number, row in enumerate(found, 1):
        yield number, row if isinstance(row, dict) else "it is no object with keys"


def _json_lines(stream: io.TextIOWrapper) -> Iterator[tuple[int, dict[str, Any] | str]]:
    number = read = 0
    while line := stream.readline(LONGEST_LINE + 2):
        number, read = number + 1, read + len(line)
        if read > LARGEST_TABLE:
            yield number, f"it is longer than {LARGEST_TABLE:,} bytes"
            return
        if len(line) > LONGEST_LINE:
            while line and not line.endswith("\n"):
                line = stream.readline(LONGEST_LINE + 2)
            yield number, f"the line is longer than {LONGEST_LINE:,} characters"
            continue
        if not line.strip():
            continue
        yield number, _row(line)


def _row(line: str) -> dict[str, Any] | str:
    try:
        row = parse_json(line)
    except json.JSONDecodeError as error:
        return f"it is not JSON: {error.msg} at character {error.pos + 1}"
    except ValueError as error:
        return str(error)
    return row if isinstance(row, dict) else "it is JSON but no object with keys"


def tables_in(folder: Path, entries: Sequence[str]) -> list[Path]:
    """Return the tables among the entries of a folder."""
    return [folder / name for name in TABLES if name in entries and (folder / name).is_file()]
