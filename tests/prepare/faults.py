"""A file system that fails at its Nth operation, and a preparation that can be killed."""

from __future__ import annotations

import errno
import io
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from disco.core.stage import Notes, Stage, Tap
from disco.executors.local import Local
from tests.prepare.tiny import Cut, Level, engine


class Disk:
    """Counts what is asked of the disk below one folder, and lets the Nth request fail."""

    def __init__(self, folder: Path, *, fail_at: int, code: int = errno.EIO, lasting: bool = False) -> None:
        self.folder = str(folder)
        self.fail_at = fail_at
        self.code = code
        self.lasting = lasting
        self.asked = 0

    def ask(self, path: object) -> None:
        if isinstance(path, int):
            path = Path(f"/proc/self/fd/{path}").readlink()
        if not str(path).startswith(self.folder):
            return
        self.asked += 1
        if self.asked == self.fail_at or (self.lasting and self.asked > self.fail_at > 0):
            raise OSError(self.code, os.strerror(self.code), str(path))


class _Wrapped:
    """A file that asks before it writes."""

    def __init__(self, file: Any, disk: Disk) -> None:
        self._file, self._disk = file, disk

    def write(self, data: Any) -> int:
        self._disk.ask(self._file.fileno())
        return self._file.write(data)

    def __enter__(self) -> _Wrapped:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._file)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@contextmanager
def failing(disk: Disk) -> Iterator[Disk]:
    """Put the disk between the program and the real one: opening to write, writing, fsync, renaming."""
    opened, fsync, replace, rename = io.open, os.fsync, os.replace, os.rename

    def open_(file: Any, mode: str = "r", *more: Any, **named: Any) -> Any:
        if not set(mode) & set("wa+x"):
            return opened(file, mode, *more, **named)
        disk.ask(file)
        return _Wrapped(opened(file, mode, *more, **named), disk)

    def asking(do: Any) -> Any:
        def asked(what: Any, *more: Any, **named: Any) -> Any:
            disk.ask(what)
            return do(what, *more, **named)

        return asked

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(io, "open", open_)
        patch.setattr(os, "fsync", asking(fsync))
        patch.setattr(os, "replace", asking(replace))
        patch.setattr(os, "rename", asking(rename))
        yield disk


class Slow(Stage):
    """Lets the sound pass slowly, so that there is time to be killed."""

    def open(self, notes: Notes) -> Tap:
        return _Slow()


class _Slow:
    def push(self, block: Any) -> Any:
        time.sleep(0.05)
        return block

    def flush(self) -> Any:
        import numpy as np

        return np.zeros((1, 0), np.float32)


SLOWLY = {"slow": Slow(), "level": Level(), "cut": Cut()}

if __name__ == "__main__":  # python -m tests.prepare.faults source target
    from tests.prepare import faults  # under the name by which workers find its stages

    workers = Local(workers=2, memory_gb=None, timeout_seconds=60.0)
    made = engine(Path(sys.argv[1]), Path(sys.argv[2]), executor=workers, steps=faults.SLOWLY)
    made.run(lambda done, total, **_: sys.stdout.write(f"{done}/{total}\n") and sys.stdout.flush())
