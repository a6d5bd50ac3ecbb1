"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def drafted(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it becomes `path` if all went well and vanishes if not.

    Folders on the way are made, and the suffix is kept.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.stem}.{os.getpid()}.draft{path.suffix}")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def durable(path: Path) -> Iterator[Path]:
    """The same, and its bytes are on the disk before it appears under its name."""
    with drafted(path) as draft:
        yield draft
        with draft.open("rb+") as file:
            os.fsync(file.fileno())


def settle(folder: Path) -> None:
    """Put on the disk which names a folder holds, so that no renaming is lost with the power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
