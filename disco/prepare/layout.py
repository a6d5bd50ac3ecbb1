"""The folders of a data set, and whether they can be written to; one preparation at a time writes there."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from disco.drafts import drafted
from disco.errors import DiscoError
from disco.prepare.unpack import is_archive

FOLDERS = (
    "audio/raw", "audio/processed", "audio/features", "midi/raw", "midi/tokenized", "midi/augmented",
    "multimodal", "metadata",
)  # fmt: skip
_LOG = logging.getLogger(__name__)
LOOK_AGAIN = 0.2  # seconds between looks whether another preparation is done
OURS = re.compile(r"[0-9a-f]{16}(-\d{3,})?\.(wav|npz)")
DRAFT = re.compile(r"\..+\.\d+\.draft(\.\w+)?")


class HaltedError(DiscoError):
    """A preparation that had begun cannot go on; what is finished stays finished."""


def check_places(source: Path, target: Path) -> None:
    """Refuse a source that is neither folder nor archive, and a target that lies in it.

    Raises:
        DiscoError: says which.
    """
    if not source.is_dir() and not is_archive(source):
        raise DiscoError(
            f"source={source} is not a folder, nor a ZIP or TAR archive",
            do="name the folder that holds the music",
        )
    if target.resolve().is_relative_to(source.resolve()):
        raise DiscoError("the target lies inside the source", do="choose a target elsewhere")


def make_folders(target: Path) -> None:
    """Make the guide's tree and try to write into it.

    Raises:
        DiscoError: something is in the way, or nothing can be written there.
    """
    try:
        for name in FOLDERS:
            (target / name).mkdir(parents=True, exist_ok=True)
        for name in FOLDERS[:3]:
            with suppress(FileNotFoundError), drafted(target / name / "probe") as draft:
                draft.write_bytes(b"can this be written?")  # a preparation at work may sweep it away
            (target / name / "probe").unlink(missing_ok=True)
    except OSError as error:
        what = f"{error.strerror or error}: {error.filename}" if error.filename else str(error)
        raise DiscoError(
            f"target={target} cannot be written to ({what})", do="choose another target or mend that"
        ) from error


@contextmanager
def sole_writer(target: Path) -> Iterator[None]:
    """Hold the target for this process, once another preparation that is writing there is done.

    The system lets go of it when the process ends, however it ends.
    """
    path = target / "metadata" / ".lock"
    told = False
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        holder = _holder(handle)
        if holder is None and path.exists() and path.stat().st_ino == os.fstat(handle).st_ino:
            break
        os.close(handle)  # or whoever held it has removed it in the meantime
        if holder is not None and not told:
            _LOG.warning(
                "another preparation is writing to %s (%s): waiting until it is done", target, holder
            )
            told = True
        time.sleep(0.0 if holder is None else LOOK_AGAIN)
    try:
        os.ftruncate(handle, 0)
        os.write(handle, f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def in_use(target: Path) -> bool:
    """Tell whether a preparation is writing there now."""
    try:
        handle = os.open(target / "metadata" / ".lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        return _holder(handle) is not None
    finally:
        os.close(handle)


def _holder(handle: int) -> str | None:
    """Take the lock and return None, or say who has it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno != errno.EWOULDBLOCK:
            raise
        return os.read(handle, 200).decode(errors="replace").strip() or "it has just begun"
    return None


def sweep(target: Path) -> None:
    """Remove the drafts that a preparation left behind when it was killed."""
    for name in (*FOLDERS[:3], "metadata"):
        for entry in list(os.scandir(target / name)):
            if DRAFT.fullmatch(entry.name):
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path)
                else:
                    Path(entry.path).unlink(missing_ok=True)


def prune(target: Path, wanted: set[str]) -> None:
    """Remove sounds and curves of ours that no file of the source stands behind any more."""
    for name in ("audio/processed", "audio/features"):
        for entry in list(os.scandir(target / name)):
            if OURS.fullmatch(entry.name) and f"{name}/{entry.name}" not in wanted:
                Path(entry.path).unlink()
