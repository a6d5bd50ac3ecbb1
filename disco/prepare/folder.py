"""A folder of audio files becomes a data set: one rate, one channel count, split, with a manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from disco.audio.io import read_clip, write_clip
from disco.core.ranges import PositiveInt
from disco.core.record import Record, Split, write_manifest
from disco.errors import DiscoError

SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".mp3"})


class Folder:
    """Reads every WAV, FLAC, OGG and MP3 below `source` and writes the guide's layout below `target`.

    An album (a folder) is never on two sides of a split. Files that cannot be read are left out and
    named, with their reasons, in `refused.txt`.

    Args:
        source: where the music is.
        target: the data set's folder.
        rate: Hz of what is written.
        channels: 1 or 2.
    """

    def __init__(
        self, *, source: str | None, target: str | None, rate: PositiveInt, channels: PositiveInt
    ) -> None:
        if source is None or target is None:
            raise DiscoError("prepare=folder reads source=… and writes target=…", do="give both")
        self.source = Path(source).expanduser()
        self.target = Path(target).expanduser()
        self.rate = rate
        self.channels = channels

    def run(self, report: Callable[[int, int], None]) -> list[Record]:
        """Prepare everything; `report` hears how many files of how many are done.

        Raises:
            DiscoError: no audio, the target lies in the source, or no file could be read.
        """
        if not self.source.is_dir():
            raise DiscoError(
                f"source={self.source} is not a folder", do="name the folder that holds the music"
            )
        if self.target.resolve().is_relative_to(self.source.resolve()):
            raise DiscoError("the target lies inside the source", do="choose a target elsewhere")
        files = sorted(p for p in self.source.rglob("*") if p.is_file() and p.suffix.lower() in SUFFIXES)
        if not files:
            raise DiscoError(
                f"{self.source} holds no {', '.join(sorted(SUFFIXES))} files", do="choose another source"
            )
        records: list[Record] = []
        refused: list[str] = []
        for done, path in enumerate(files, 1):
            try:
                records.append(self._prepare(path))
            except DiscoError as error:
                refused.append(f"{path.relative_to(self.source)}: {error}")
            report(done, len(files))
        self.target.joinpath("metadata").mkdir(parents=True, exist_ok=True)
        (self.target / "metadata" / "refused.txt").write_text("".join(f"{line}\n" for line in refused))
        if not records:
            raise DiscoError("no file could be read", do=f"see {self.target / 'metadata' / 'refused.txt'}")
        records = split_groups(records)
        write_manifest(self.target / "metadata" / "manifest.jsonl", records)
        return records

    def _prepare(self, path: Path) -> Record:
        name = path.relative_to(self.source).as_posix()
        key = hashlib.sha256(name.encode()).hexdigest()[:16]
        clip = read_clip(path, rate=self.rate, channels=self.channels)
        where = f"audio/processed/{key}.wav"
        write_clip(self.target / where, clip)
        return Record(
            id=key,
            file_path=where,
            duration=clip.seconds,
            sample_rate=self.rate,
            channels=self.channels,
            title=path.stem,
            source=name,
            group=self._group(path),
        )

    def _group(self, path: Path) -> str:
        """An album is a folder; a file beside the folders stands for itself."""
        folder = path.parent.relative_to(self.source).as_posix()
        return path.stem if folder == "." else folder


def split_groups(records: list[Record]) -> list[Record]:
    """Give every record the split of its group: 80/10/10 by hash.

    Adding groups moves none, except in a small set, where validation and test would otherwise stay
    empty: each then takes the training group of the highest hash.
    """
    splits: dict[str, Split] = {str(record.group): _drawn(str(record.group)) for record in records}
    for split in ("val", "test"):
        train = sorted((_share(group), group) for group, where in splits.items() if where == "train")
        if split not in splits.values() and len(train) > 1:
            splits[train[-1][1]] = split
    return [replace(record, split=splits[str(record.group)]) for record in records]


def _share(group: str) -> float:
    return int(hashlib.sha256(group.encode()).hexdigest()[:8], 16) / 0x1_0000_0000


def _drawn(group: str) -> Split:
    share = _share(group)
    return "train" if share < 0.8 else "val" if share < 0.9 else "test"
