"""What a frozen text encoder says to captions, asked once and kept on the disk, checked when it is read."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from disco.core.files import write_text
from disco.drafts import durable

VERSION = 1  # of the layout
LEAST_SAVED = 1024  # captions


@runtime_checkable
class Fingerprinted(Protocol):
    """An encoder whose answers may be kept: its fingerprint changes when they do."""

    width: int

    def fingerprint(self) -> str:
        """Return its name, its weights and its settings, as a short text."""
        ...

    def read(self, caption: str) -> Float[Tensor, "n e"]:
        """Return a vector per word piece."""
        ...


class CaptionCache:
    """One memory-mapped array of vectors; those of a caption are found by the hash of its words.

    What another encoder said, or one with other weights or settings, lies in another folder. Vectors are
    kept as float32, as they were said.

    Args:
        folder: one folder per fingerprint is made in it.
        encoder: asked for what is missing.
    """

    def __init__(self, folder: Path, encoder: Fingerprinted) -> None:
        self.encoder = encoder
        self.fingerprint = encoder.fingerprint()
        self.folder = folder / f"text-{hashlib.sha256(self.fingerprint.encode()).hexdigest()[:16]}"
        self._spans, self._vectors = self._open()

    def __contains__(self, caption: str) -> bool:
        return _key(caption) in self._spans

    def fill(self, captions: Iterable[str], report: Callable[..., None] = lambda *_, **__: None) -> int:
        """Ask the encoder for what is missing; return how many captions that were.

        What was said is put down now and then, and when it is interrupted: the next call goes on.

        Args:
            captions: without the empty ones, which say nothing.
            report: hears how many captions of how many are in it.
        """
        wanted = {_key(caption): caption for caption in captions}
        fresh = {key: caption for key, caption in wanted.items() if key not in self._spans}
        if not fresh:
            return 0
        spans, parts = dict(self._spans), [np.asarray(self._vectors)]
        offset, saved, done = len(self._vectors), len(spans), len(wanted) - len(fresh)
        opened = f"vectors-{offset}.npy"
        report(done, len(wanted))
        try:
            for key, caption in fresh.items():
                said = np.ascontiguousarray(self.encoder.read(caption).detach().float().cpu().numpy())
                parts.append(said)
                spans[key] = (offset, len(said), zlib.crc32(said.tobytes()))
                offset, done = offset + len(said), done + 1
                report(done, len(wanted))
                if len(spans) >= 2 * max(saved, LEAST_SAVED):  # all writing is twice the array at most
                    self._save(parts, spans, opened)
                    saved = len(spans)
        finally:
            if len(spans) > saved:
                self._save(parts, spans, opened)
        return len(fresh)

    def read(self, caption: str) -> Float[Tensor, "n e"] | None:
        """Return what was said to a caption; None if it was never asked, or is not what was written."""
        span = self._spans.get(_key(caption))
        if span is None:
            return None
        first, length, crc = span
        said = np.array(self._vectors[first : first + length])
        if len(said) < length or zlib.crc32(said.tobytes()) != crc:
            return None
        return torch.from_numpy(said)

    def _save(self, parts: Sequence[np.ndarray], spans: Mapping[str, Sequence[int]], opened: str) -> None:
        """Put everything down; of the arrays before it only the one that others may have `opened` stays."""
        whole = np.concatenate(parts)
        name = (
            f"vectors-{len(whole)}.npy"  # a longer array has another name: readers keep the one they opened
        )
        with durable(self.folder / name) as draft, draft.open("wb") as file:
            np.save(file, whole)
        said = {"encoder": self.fingerprint, "file": name, "captions": spans}
        write_text(self.folder / "index.json", json.dumps({"version": VERSION, **said}))
        for older in self.folder.glob("vectors-*.npy"):
            if older.name not in (name, opened):
                older.unlink(missing_ok=True)
        self._spans, self._vectors = self._open()

    def _open(self) -> tuple[dict[str, Sequence[int]], Any]:
        try:
            index = json.loads((self.folder / "index.json").read_text(encoding="utf-8"))
            if (index["version"], index["encoder"]) == (VERSION, self.fingerprint):
                vectors = np.load(self.folder / index["file"], mmap_mode="r", allow_pickle=False)
                if vectors.ndim == 2 and vectors.shape[1] == self.encoder.width:
                    return index["captions"], vectors
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return {}, np.zeros((0, self.encoder.width), np.float32)


def _key(caption: str) -> str:
    return hashlib.sha256(caption.encode("utf-8", "surrogatepass")).hexdigest()
