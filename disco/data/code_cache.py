"""Codec tokens of every piece, encoded once, checked when they are read."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from disco.core.contracts import Codec
from disco.core.files import file_hash, write_text
from disco.core.record import Record
from disco.data.pieces import read_piece
from disco.drafts import durable
from disco.errors import DiscoError

LEAST_SAVED = 256  # pieces
VERSION = 3  # of the layout, and of how a piece is cut before it is encoded


class CodeCache:
    """One memory-mapped array of tokens; a piece is found by the content of its file and its place in it.

    What was made by another codec, or by another version of this, is made anew.

    Args:
        folder: one folder per codec fingerprint is made in it.
    """

    def __init__(self, folder: Path, codec: Codec) -> None:
        self.codec = codec
        self.folder = folder / f"codes-{codec.fingerprint[:16]}"

    def fill(
        self, root: Path, records: Sequence[Record], report: Callable[..., None] = lambda *_, **__: None
    ) -> int:
        """Encode what is not in the cache yet; return how many pieces that were.

        What is encoded is put down now and then, and when it is interrupted: the next call goes on.

        Args:
            root: of the data set.
            records: of it.
            report: hears how many pieces of how many are in it, and as a keyword the `seconds` encoded.
        """
        index = self._index()
        clips, hashes = dict(index["clips"]), _Hashes(root, index["hashes"])
        wanted = {self._key(record, hashes): record for record in records}
        fresh = {key: record for key, record in wanted.items() if key not in clips}
        if not fresh:
            return 0
        known = [np.asarray(self._codes(index))] if clips else []
        opened = index.get("file", "")
        offset = sum(len(codes) for codes in known)
        saved, seconds, total = len(clips), 0.0, len(wanted)
        done = total - len(fresh)
        report(done, total)
        try:
            for key, record in fresh.items():
                codes = self._encode(root, record)
                known.append(codes)
                clips[key] = [offset, len(codes), _crc(codes)]
                offset += len(codes)
                done, seconds = done + 1, seconds + record.duration
                report(done, total, seconds=seconds)
                if len(clips) >= 2 * max(
                    saved, LEAST_SAVED
                ):  # so that all writing is twice the array at most
                    self._save(known, clips, hashes, opened)
                    saved = len(clips)
        finally:
            if len(clips) > saved:
                self._save(known, clips, hashes, opened)
        return len(fresh)

    def _save(
        self, known: Sequence[np.ndarray], clips: Mapping[str, Any], hashes: _Hashes, opened: str
    ) -> None:
        """Put everything down; of the arrays before it only the one that others may have `opened` stays."""
        whole = np.concatenate(known)
        name = f"codes-{len(whole)}.npy"  # a longer array has another name: readers keep the one they opened
        with durable(self.folder / name) as draft, draft.open("wb") as file:
            np.save(file, whole)
        said = {"clips": clips, "codec": self.codec.fingerprint, "file": name, "hashes": hashes.known}
        write_text(self.folder / "index.json", json.dumps({"version": VERSION, **said}))
        for older in self.folder.glob("codes-*.npy"):
            if older.name not in (name, opened):
                older.unlink(missing_ok=True)

    def open(self, root: Path, records: Sequence[Record]) -> Mapping[str, np.ndarray]:
        """Return the tokens [frames, codebooks] of each record, by its id.

        Raises:
            DiscoError: when a record's tokens are first taken and are not what was written.
        """
        index = self._index()
        hashes = _Hashes(root, index["hashes"])
        spans = {record.id: index["clips"][self._key(record, hashes)] for record in records}
        return CheckedCodes(self._codes(index), spans, self.folder)

    def _key(self, record: Record, hashes: _Hashes) -> str:
        place = f"{record.start:.6f}+{record.duration:.6f}"
        return f"{hashes.of(record.file_path)}@{place}*{record.gain_db:.4f}/{record.fade_seconds:.6f}"

    def _encode(self, root: Path, record: Record) -> np.ndarray:
        rate, channels = self.codec.rate, self.codec.channels
        wave = read_piece(root, record, start=0.0, seconds=record.duration, rate=rate, channels=channels)
        return self.codec.encode(wave[None])[0].T.cpu().numpy().astype(np.uint16)

    def _index(self) -> dict[str, Any]:
        try:
            index = json.loads((self.folder / "index.json").read_text(encoding="utf-8"))
            fits = (index["version"], index["codec"]) == (VERSION, self.codec.fingerprint)
            if fits and (not index["clips"] or (self.folder / index["file"]).is_file()):
                return index
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return {"clips": {}, "hashes": {}}

    def _codes(self, index: Mapping[str, Any]) -> np.ndarray:
        if "file" not in index:  # nothing was ever cached, for nothing was there
            return np.empty((0, self.codec.num_codebooks), dtype=np.uint16)
        return np.load(self.folder / index["file"], mmap_mode="r", allow_pickle=False)


class CheckedCodes(Mapping[str, np.ndarray]):
    """Tokens by record id; those of a record are compared with their checksum when they are first taken."""

    def __init__(self, codes: np.ndarray, spans: Mapping[str, Sequence[int]], folder: Path) -> None:
        self.codes = codes
        self.spans = spans
        self.folder = folder
        self._sound: set[str] = set()

    def __getitem__(self, name: str) -> np.ndarray:
        first, length, crc = self.spans[name]
        found = self.codes[first : first + length]
        if name not in self._sound:
            if len(found) < length or _crc(found) != crc:
                raise DiscoError(
                    f"the tokens of {name} in {self.folder} are not what was written",
                    do=f"delete {self.folder} and train again: it is made anew",
                )
            self._sound.add(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self.spans)

    def __len__(self) -> int:
        return len(self.spans)


def _crc(codes: np.ndarray) -> int:
    return zlib.crc32(codes.tobytes())


class _Hashes:
    """Hashes of files, taken anew only where size, time or inode of a file have changed."""

    def __init__(self, root: Path, known: Mapping[str, Sequence[Any]]) -> None:
        self.root = root
        self.known = dict(known)

    def of(self, name: str) -> str:
        path = self.root / name
        try:
            status = path.stat()
        except FileNotFoundError as error:
            raise DiscoError(f"{path} is gone", do="prepare the folder again") from error
        stamp = [status.st_size, status.st_mtime_ns, status.st_ino]
        said = self.known.get(name)
        if said is None or list(said[:3]) != stamp:
            self.known[name] = said = [*stamp, file_hash(path)]
        return said[3]
