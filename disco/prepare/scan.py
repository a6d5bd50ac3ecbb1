"""What there is to prepare: every real sound file of a folder once, and what only looks like one."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from disco.core.stage import Problem
from disco.errors import DiscoError

SUFFIXES = frozenset(
    {
        ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".caf", ".w64",
        ".m4a", ".mp4", ".aac",
    }
)  # fmt: skip
FOREIGN = frozenset({".wma", ".alac", ".ape", ".wv", ".mpc"})  # what no decoder here reads
ARCHIVES = frozenset({".zip", ".tar", ".tgz", ".7z", ".rar"})
DESCRIBING = frozenset({".json", ".jsonl", ".csv", ".txt", ".gz"})


@dataclass(frozen=True)
class Found:
    """One file: its path below the source, and what the file system says of it."""

    name: str
    path: str
    size: int
    stamp: tuple[int, ...]


@dataclass
class Scan:
    """What was found, in the order of the names.

    Attributes:
        files: sounds, each real file once, under the first of its names.
        beside: files that may describe the sounds.
        problems: by name, what was passed over.
    """

    files: list[Found] = field(default_factory=list)
    beside: list[Found] = field(default_factory=list)
    problems: dict[str, Problem] = field(default_factory=dict)


def scan(source: Path) -> Scan:
    """List a folder without opening any file; links are followed, each folder and file once.

    What is there under its own name goes before what is there by a link, so the names do not depend
    on the order in which the file system lists them.

    Raises:
        DiscoError: `source` is not a folder that can be listed.
    """
    if not source.is_dir():
        raise DiscoError(f"source={source} is not a folder", do="name the folder that holds the music")
    found = Scan()
    seen: set[tuple[int, int]] = set()
    for entry, name in sorted(_walk(source, found), key=lambda pair: (pair[0].is_symlink(), _bytes(pair[1]))):
        suffix = PurePosixPath(name).suffix.lower()
        if suffix not in SUFFIXES | FOREIGN | DESCRIBING | ARCHIVES:
            continue
        problem, status = _looked_at(entry)
        if problem is None and suffix in ARCHIVES:
            cure = "unpack it, or prepare it by itself if it is ZIP or TAR: source=…"
            problem = Problem("archive", "archives in a folder are not opened", cure, "refuse")
        if problem is None and suffix in FOREIGN:
            problem = Problem(
                "unsupported", f"{suffix} files cannot be read", "convert it to FLAC or WAV", "refuse"
            )
        if problem is not None:
            if suffix not in DESCRIBING | ARCHIVES or problem.code == "archive":
                found.problems[name] = problem
            continue
        assert status is not None
        identity = (status.st_dev, status.st_ino)
        if identity not in seen:
            seen.add(identity)
            one = Found(name, f"{source}/{name}", status.st_size, stamp(status))
            (found.beside if suffix in DESCRIBING else found.files).append(one)
    found.files.sort(key=lambda one: _bytes(one.name))
    found.beside.sort(key=lambda one: _bytes(one.name))
    return found


def stamp(status: os.stat_result) -> tuple[int, ...]:
    """What changes when a file does, without reading it."""
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def told(name: str) -> str:
    """A file's name as text that every program can write: bytes that are no UTF-8 are spelt out."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _bytes(name: str) -> bytes:
    return os.fsencode(name)


def _looked_at(entry: os.DirEntry[str]) -> tuple[Problem | None, os.stat_result | None]:
    """Say what is wrong with an entry, or give its status; nothing is opened."""
    try:
        status = entry.stat()
    except OSError:
        return Problem("not_regular", "it is a link to nothing", "remove or mend the link", "refuse"), None
    if stat.S_ISREG(status.st_mode):
        return None, status
    kind = (
        "a folder" if stat.S_ISDIR(status.st_mode)
        else "a pipe" if stat.S_ISFIFO(status.st_mode)
        else "a device or socket"
    )  # fmt: skip
    return Problem("not_regular", f"it is {kind}, not a file", "move it elsewhere", "refuse"), None


def _walk(source: Path, found: Scan) -> Iterator[tuple[os.DirEntry[str], str]]:
    """Yield every entry that is not a plain folder, with its name; links to folders come last."""
    status = source.stat()
    visited = {(status.st_dev, status.st_ino)}
    real: list[tuple[str, str]] = [(str(source), "")]
    linked: list[tuple[str, str]] = []
    while real or linked:
        if not real:
            linked.sort(key=lambda pair: _bytes(pair[1]), reverse=True)
            path, name = linked.pop()
            status = Path(path).stat()
            if (status.st_dev, status.st_ino) in visited:
                continue
            visited.add((status.st_dev, status.st_ino))
        else:
            path, name = real.pop()
        try:
            entries = sorted(os.scandir(path), key=lambda entry: _bytes(entry.name))
        except OSError as error:
            reason = f"the folder cannot be listed ({error.strerror})"
            found.problems[name or "."] = Problem("unreadable", reason, "check its permissions", "refuse")
            continue
        for entry in entries:
            below = f"{name}/{entry.name}" if name else entry.name
            if _named_as_sound(below) or not _leads_on(entry):
                yield entry, below
            elif entry.is_symlink():
                linked.append((entry.path, below))
            else:
                status = entry.stat()
                if (status.st_dev, status.st_ino) not in visited:
                    visited.add((status.st_dev, status.st_ino))
                    real.append((entry.path, below))


def _leads_on(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _named_as_sound(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in SUFFIXES
