"""How a checkpoint comes to the disk and back: whole, proven by a checksum, and never as code."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO
from torch import Tensor

from disco.core.files import BEFORE, link
from disco.core.header import read_header
from disco.core.state import packed, unpacked
from disco.core.tensors import load_tensors
from disco.drafts import durable, settle
from disco.errors import DiscoError

BLANK = "0" * 64
CHUNK = 1 << 22
KINDS = {
    torch.float64: "F64", torch.int64: "I64", torch.float32: "F32", torch.int32: "I32", torch.float16: "F16",
    torch.bfloat16: "BF16", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
    torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2",
}  # fmt: skip


class SafeCheckpoints(CheckpointIO):
    """Writes checkpoints from a thread while training goes on, and keeps the one before.

    A checkpoint is one safetensors file: its tensors, and in the header all other state as JSON and a
    SHA-256 over every byte. It appears under its name when it is on the disk, never in part. Nothing in
    such a file can run when it is read.
    """

    def __init__(self) -> None:
        self.thread: ThreadPoolExecutor | None = None
        self.pending: Future[None] | None = None
        self.room: dict[str, Tensor] = {}

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Copy the state, and leave the writing to the thread; waits for an earlier write.

        Raises:
            DiscoError: the earlier one could not be written.
        """
        self.wait()
        plain, self.room = packed(checkpoint, self.room)
        if self.thread is None:
            self.thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self.pending = self.thread.submit(write_checkpoint, Path(path), plain, self.room)

    def wait(self) -> None:
        """Return when nothing is being written any more.

        Raises:
            DiscoError: it could not be written; the file that was there is untouched.
        """
        pending, self.pending = self.pending, None
        if pending is not None:
            pending.result()

    def look(self) -> None:
        """Raise what went wrong in the background; returns at once."""
        if self.pending is not None and self.pending.done():
            self.wait()

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: Any | None = None,
        weights_only: bool | None = None,  # noqa: FBT001  Lightning's signature
    ) -> dict[str, Any]:
        """Return the state of a checkpoint, or of the one before where it is damaged, and say so.

        Raises:
            DiscoError: neither is whole.
        """
        newest = Path(path)
        try:
            return read_checkpoint(newest)
        except (DiscoError, FileNotFoundError) as error:
            before = newest.with_name(BEFORE)
            if before == newest or not before.is_file():
                raise
            state = read_checkpoint(before)
            sys.stderr.write(f"{error}\ngoing on from {before}, step {state.get('global_step'):,}\n")
            if newest.is_file():
                newest.replace(newest.with_name(f"damaged-{newest.name}"))
            return state

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a file."""
        Path(path).unlink(missing_ok=True)

    def teardown(self) -> None:
        """Wait for what is being written, whatever else has happened."""
        try:
            self.wait()
        finally:
            if self.thread is not None:
                self.thread.shutdown(wait=True)
                self.thread = None
            self.room = {}


def write_checkpoint(path: Path, plain: Any, tensors: Mapping[str, Tensor]) -> None:
    """Write a file by way of a draft; what stood there stays beside it as `previous.ckpt`.

    Raises:
        DiscoError: the disk is full or read-only, or a learned weight is no number.
    """
    check_finite(path, plain, tensors)
    try:
        with durable(path) as draft:
            _write(draft, json.dumps(plain), tensors)
            if path.is_file():
                link(path, path.with_name(BEFORE))
        settle(path.parent)
    except OSError as error:
        raise DiscoError(
            f"{path} cannot be written: {error.strerror or error}; the one before is untouched",
            do=f"make room, then go on with resume={path.parent.parent}",
        ) from error


def check_finite(path: Path, plain: Any, tensors: Mapping[str, Tensor]) -> None:
    """Refuse weights that are no numbers; what a state calls `learned` is looked at."""
    for name in plain.get("learned", ()):
        tensor = tensors.get(f"state_dict/{name}")
        if tensor is not None and not tensor.isfinite().all():
            raise DiscoError(
                f"{name} holds a number that is not finite, so {path.name} is not written over",
                do=f"go on from the last good state with resume={path.parent.parent}, at a lower optim.lr",
            )


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return the state in a file, after its checksum was found right.

    Raises:
        DiscoError: it is damaged, or not one of ours.
    """
    _refuse_pickle(path)
    header = read_header(path)
    told = header.facts.get("sha256")
    if told is None or "state" not in header.facts:
        raise DiscoError(
            f"{path}: this is no checkpoint of a run",
            do="an older or foreign run goes on as a base: weights=run weights.run=<its folder>",
        )
    if _digest(path, told) != told:
        raise DiscoError(f"{path} is damaged: its checksum is not right", do="go on from an earlier one")
    return unpacked(json.loads(header.facts["state"]), load_tensors(path))


def _refuse_pickle(path: Path) -> None:
    """Refuse what earlier programs saved, with the way out, before its bytes are looked at."""
    with path.open("rb") as file:
        begin = file.read(4)
    if begin in (b"PK\x03\x04", b"\x80\x02\x8a\x0a"):
        raise DiscoError(
            f"{path} was pickled by PyTorch, and nothing pickled is opened here",
            do="if you trust it, write torch.load(…, weights_only=True)['state_dict'] with safetensors to "
            "<run folder>/weights.safetensors, and begin from it: weights=run weights.run=<run folder>",
        )


def _write(path: Path, state: str, tensors: Mapping[str, Tensor]) -> None:
    """Write a safetensors file whose header tells the hash of all its bytes, with zeros for the hash."""
    entries: dict[str, Any] = {"__metadata__": {"format": "pt", "sha256": BLANK, "state": state}}
    order = sorted(tensors, key=lambda name: -tensors[name].itemsize)  # each starts at a multiple of its size
    end = 0
    for name in order:
        begin, end = end, end + tensors[name].nbytes
        entries[name] = {
            "dtype": KINDS[tensors[name].dtype],
            "shape": list(tensors[name].shape),
            "data_offsets": [begin, end],
        }
    header = json.dumps(entries).encode()
    header += b" " * (-len(header) % 8)
    place = 8 + header.index(BLANK.encode())
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for piece in (len(header).to_bytes(8, "little"), header):
            digest.update(piece)
            file.write(piece)
        for name in order:
            view = tensors[name].reshape(-1).view(torch.uint8).numpy().data
            for start in range(0, len(view), CHUNK):
                digest.update(view[start : start + CHUNK])
                file.write(view[start : start + CHUNK])
        file.seek(place)
        file.write(digest.hexdigest().encode())
        file.flush()
        os.fsync(file.fileno())


def _digest(path: Path, told: str) -> str:
    """Return the hash of a file, with zeros where its header tells it."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        length = file.read(8)
        header = file.read(int.from_bytes(length, "little"))
        digest.update(length + header.replace(told.encode(), BLANK.encode(), 1))
        while piece := file.read(CHUNK):
            digest.update(piece)
    return digest.hexdigest()
