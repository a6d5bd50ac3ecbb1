"""Archives of recordings, unpacked without trusting them: nothing leaves the target, nothing swells."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import re
import shutil
import stat
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, cast, runtime_checkable
from zipfile import BadZipFile, ZipFile, is_zipfile

from disco.drafts import settle
from disco.errors import DiscoError
from disco.prepare.scan import DESCRIBING, SUFFIXES, told

SMALL = 64 << 20  # bytes: so much may come out of any archive,
SWELLING = 100  # and so many times its own size out of a larger one: sound hardly shrinks at all
LONGEST_HEADER = 1 << 20  # bytes between two members of a tar file
MOST_MEMBERS = 1_000_000
LONGEST_NAME, LONGEST_PATH = 255, 2000  # bytes of a name and of a path, as file systems have it
BLOCK = 1 << 20
UNPACKED = re.compile(r"unpacked-[0-9a-f]{16}")
OPENERS: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}
_DAMAGED = (BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, ValueError, OSError)


def is_archive(path: Path) -> bool:
    """Tell whether a file is a ZIP or TAR archive, by its bytes."""
    if not path.is_file():
        return False
    if is_zipfile(path):
        return True
    try:
        with _plain(path) as data:
            head = data.read(512)
    except (OSError, EOFError, zlib.error, lzma.LZMAError):
        return False
    return len(head) == 512 and (head[257:262] == b"ustar" or _sums_up(head))


def unpacked(archive: Path, folder: Path) -> Path:
    """Unpack sounds and what describes them into a folder of their own below `folder`; return it.

    What was unpacked stays, and is unpacked anew when the archive has changed.

    Raises:
        DiscoError: a member would land elsewhere, is a link or a device, or there is far more in it than an
            archive of its size can hold; or it is damaged or locked. Nothing of it is left then.
    """
    status = archive.stat()
    facts = repr((os.fsencode(archive.name), status.st_size, status.st_mtime_ns))
    place = folder / f"unpacked-{hashlib.sha256(facts.encode()).hexdigest()[:16]}"
    if place.is_dir():
        return place
    draft = folder / f".{place.name}.{os.getpid()}.draft"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        with _said(archive):
            budget = _Budget(max(SMALL, SWELLING * status.st_size))
            (_unzip if is_zipfile(archive) else _untar)(archive, draft, budget)
        for each in sorted({draft, *(one for one in draft.rglob("*") if one.is_dir())}):
            settle(each)
        draft.replace(place)
        settle(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    for other in folder.iterdir():
        if UNPACKED.fullmatch(other.name) and other != place:
            shutil.rmtree(other)
    return place


@runtime_checkable
class Readable(Protocol):
    """What comes out of an archive."""

    def read(self, size: int, /) -> bytes:
        """Return so many bytes, fewer at the end."""
        ...


class _Refused(Exception):  # noqa: N818  a verdict on an archive
    """Why nothing is unpacked."""


class _Budget:
    """Counts what comes out of an archive."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.left = most
        self.members = 0

    def take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise _Refused(f"it would unpack to more than {self.most:,} bytes, as a bomb does")

    def member(self, name: str, size: int) -> None:
        self.members += 1
        if self.members > MOST_MEMBERS:
            raise _Refused(f"it has more than {MOST_MEMBERS:,} members")
        if size < 0:
            raise _Refused(f"{name!r} has a size below zero")
        self.take(size)


@contextmanager
def _said(archive: Path) -> Iterator[None]:
    """Turn what is wrong with an archive into a sentence."""
    try:
        yield
    except _Refused as error:
        raise DiscoError(
            f"source={archive}: {error}; nothing was unpacked",
            do="unpack it yourself if you trust it, and name the folder",
        ) from error
    except RuntimeError as error:  # a password, or a method that zipfile does not know
        raise DiscoError(
            f"source={archive} cannot be unpacked ({error})", do="unpack it yourself, and name the folder"
        ) from error
    except _DAMAGED as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the disk
        raise DiscoError(
            f"source={archive} is damaged ({str(error) or type(error).__name__})",
            do="download or pack it again",
        ) from error


def _unzip(archive: Path, draft: Path, budget: _Budget) -> None:
    with ZipFile(archive) as file:
        members = file.infolist()
        for one in members:
            kind = stat.S_IFMT(one.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _Refused(f"{one.filename!r} is a link or a device")
            _check_name(one.filename)
            budget.member(one.filename, one.file_size)
        for one in members:
            if not one.is_dir() and _is_wanted(one.filename):
                with file.open(one) as data:
                    _copy(data, draft / one.filename, one.file_size)


def _untar(archive: Path, draft: Path, budget: _Budget) -> None:
    """Read a tar file from front to back, and never further than its headers have announced."""
    with _plain(archive) as data:
        bounded = _Bounded(data)
        with tarfile.open(fileobj=cast("Any", bounded), mode="r|", bufsize=1 << 16) as opened:
            file: Any = opened
            while True:
                bounded.left = LONGEST_HEADER
                one = file.next()
                if one is None:
                    return
                file.members.clear()  # of a million it would keep every one
                _check_name(one.name)
                if not (one.isreg() or one.isdir()):
                    raise _Refused(f"{one.name!r} is a link or a device")
                budget.member(one.name, one.size)
                bounded.left = one.size + LONGEST_HEADER
                source = file.extractfile(one) if one.isreg() else None
                if source is not None and _is_wanted(one.name):
                    _copy(source, draft / one.name, one.size)
                elif source is not None:
                    while source.read(BLOCK):
                        pass


class _Bounded:
    """A file of which only so much may be read: the header of a tar member may claim any length."""

    def __init__(self, data: Readable) -> None:
        self.data = data
        self.left = LONGEST_HEADER

    def read(self, size: int) -> bytes:
        self.left -= size
        if self.left < 0:
            raise _Refused("the headers between two of its members are longer than any need be")
        return self.data.read(size)


def _plain(path: Path) -> Any:
    """Open a file, through what it is compressed with."""
    with path.open("rb") as file:
        head = file.read(6)
    for magic, opener in OPENERS.items():
        if head.startswith(magic):
            return opener(path)
    return path.open("rb")


def _sums_up(head: bytes) -> bool:
    """Tell whether 512 bytes are the header of a tar member, by its checksum."""
    try:
        said = int(head[148:156].rstrip(b"\0 ") or b"0", 8)
    except ValueError:
        return False
    return said == sum(head[:148]) + 8 * ord(" ") + sum(head[156:]) and any(head[:100])


def _check_name(name: str) -> None:
    """Refuse a name that leads out of the folder, on whatever system it was written."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or name.startswith(("/", "\\")) or ".." in parts or re.match(r"[A-Za-z]:", name):
        raise _Refused(f"{told(name)!r} would be written outside the target")
    lengths = [len(os.fsencode(part)) for part in parts]
    if "\0" in name or max(lengths) > LONGEST_NAME or len(os.fsencode(name)) > LONGEST_PATH:
        raise _Refused(f"{told(name)[:60]!r}… is no name for a file")


def _is_wanted(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in SUFFIXES | DESCRIBING


def _copy(source: Readable, path: Path, size: int) -> None:
    """Write one member, no longer than it was said to be, and put it on the disk."""
    written = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("xb")
    except (FileExistsError, NotADirectoryError) as error:
        raise _Refused(f"{path.name!r} stands in it twice in one folder") from error
    with file:
        while block := source.read(BLOCK):
            written += len(block)
            if written > size:
                raise _Refused(f"{path.name!r} is longer than it says")
            file.write(block)
        if written < size:
            raise EOFError(f"{path.name} ends early")
        file.flush()
        os.fsync(file.fileno())
