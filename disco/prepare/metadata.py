"""What people have said about their music: files beside it, tables, and the tags inside it.

For `song.flac` these count, the later over the earlier: its own tags; a caption in `song.txt` or
`song_prompt.txt` and words in `song_lyrics.txt`; its row in `metadata.csv`, `metadata.jsonl` or an audiocraft
manifest `data.jsonl[.gz]` in its folder or one above; the values of `song.json` or `song.flac.json`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import soundfile

from disco.audio.tags import read_tags
from disco.core.record import LONGEST_TEXT, parse_json
from disco.core.stage import Problem
from disco.prepare.tables import Index, file_of, read_table, tables_in
from disco.prepare.values import fields_of

LARGEST_SIDECAR = 1_000_000  # bytes
TEXTS = (("_lyrics.txt", "lyrics"), ("_prompt.txt", "caption"), (".txt", "caption"))


@dataclass
class Described:
    """What is said of one file.

    Attributes:
        fields: by name of the record's field, `extra` among them.
        provenance: of each field: `human`, or `tag` where it stood in the file itself.
        problems: what was said and could not be understood.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def tell(self, row: Mapping[str, Any], by: str, where: str) -> None:
        """Take over what a row says; it wins over what was said before."""
        values, complaints = fields_of(row)
        extra = {**self.fields.get("extra", {}), **values.pop("extra", {})}
        self.fields |= values
        if extra:
            self.fields["extra"] = extra
        self.provenance |= dict.fromkeys(values, by)
        for complaint in complaints:
            self.complain(f"{where}: {complaint}", f"correct it in {where}")

    def complain(self, reason: str, cure: str) -> None:
        """Note what could not be understood; the music itself is not refused for it."""
        self.problems.append(Problem(code="metadata", reason=reason, cure=cure, verdict="warn"))


def described(source_root: Path, files: Sequence[Path]) -> dict[str, Described]:
    """Return what is said of each file, by its path below the root with forward slashes.

    A table that has something wrong as a whole is listed under its own path.
    """
    named = {path.relative_to(source_root).as_posix(): path for path in files}
    found = {name: Described() for name in named}
    listed: dict[Path, frozenset[str]] = {}
    for name, path in named.items():
        if path.parent not in listed:
            listed[path.parent] = _entries(path.parent)
        _read_tags(path, found[name])
        _read_texts(path, listed[path.parent], found[name])
    for folder in sorted(_folders(source_root, listed), key=lambda one: len(one.parts)):
        for table in tables_in(folder, sorted(listed.get(folder) or _entries(folder))):
            _read_table(table, source_root, named, found)
    for name, path in named.items():
        for sidecar in (f"{path.stem}.json", f"{path.name}.json"):
            if sidecar in listed[path.parent]:
                _read_sidecar(path.with_name(sidecar), found[name])
    return found


def _entries(folder: Path) -> frozenset[str]:
    return frozenset(os.listdir(folder)) if folder.is_dir() else frozenset()  # noqa: PTH208  names alone


def _folders(root: Path, listed: Mapping[Path, object]) -> set[Path]:
    """Return the folders of the files and those between them and the root."""
    found = {root}
    for folder in listed:
        while folder != root and folder.is_relative_to(root):
            found.add(folder)
            folder = folder.parent
    return found


def _read_tags(path: Path, said: Described) -> None:
    """Read what the file's own header says; whether it can be played is judged elsewhere."""
    if not path.is_file():  # a pipe would block
        return
    try:
        row = read_tags(path)
    except (soundfile.LibsndfileError, OSError):
        return
    said.tell(row, "tag", "its tags")


def _read_texts(path: Path, entries: frozenset[str], said: Described) -> None:
    for ending, name in TEXTS:
        beside = f"{path.stem}{ending}"
        if beside not in entries:
            continue
        content = _content(path.with_name(beside), LONGEST_TEXT, said)
        if content is None:
            continue
        words = content.strip() if name == "lyrics" else " ".join(content.split())
        if words:
            said.tell({name: words}, "human", beside)


def _read_sidecar(path: Path, said: Described) -> None:
    content = _content(path, LARGEST_SIDECAR, said)
    if content is None:
        return
    try:
        row = parse_json(content)
        if not isinstance(row, dict):
            raise ValueError("it is JSON but no object with keys")
    except json.JSONDecodeError as error:
        said.complain(f"{path.name}, line {error.lineno}: {error.msg}", f"correct {path.name}")
    except ValueError as error:
        said.complain(f"{path.name}: {error}", f"correct {path.name}")
    else:
        said.tell(row, "human", path.name)


def _content(path: Path, largest: int, said: Described) -> str | None:
    """Return the text of a small regular file, or complain."""
    try:
        if not path.is_file():
            raise ValueError("it is no regular file")
        if path.stat().st_size > largest:
            raise ValueError(f"it has {path.stat().st_size:,} bytes; {largest:,} are allowed")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        said.complain(f"{path.name}: byte {error.start + 1} is not UTF-8", "save it as UTF-8")
    except (OSError, ValueError) as error:
        said.complain(f"{path.name}: {error}", "shorten, replace or remove it")
    return None


def _read_table(table: Path, root: Path, named: Mapping[str, Path], found: dict[str, Described]) -> None:
    where = table.relative_to(root).as_posix()
    index = Index(table.parent, named)
    about = Described()
    strangers: list[str] = []
    for line, row in read_table(table):
        if isinstance(row, str):
            about.complain(f"line {line}: {row}", "correct or remove the line")
            continue
        said = file_of(row)
        name = index.find(said) if said else None
        if name is not None:
            found[name].tell(row, "human", f"{where}, line {line}")
        else:
            strangers.append(said or f"line {line} names no file")
    if strangers:
        shown = ", ".join(strangers[:3])
        about.complain(
            f"{len(strangers)} rows are of no file here: {shown}{'…' if len(strangers) > 3 else ''}",
            "name files as they stand in the folder of the table",
        )
    if about.problems:
        found[where] = about
