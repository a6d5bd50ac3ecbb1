"""The Free Music Archive: tracks with genres (Defferrard et al. 2017, arXiv 1612.01840)."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from disco.core.record import Record
from disco.data.benchmark import Benchmark, sound_of

SPLITS: dict[str, Literal["train", "val", "test"]] = {
    "training": "train",
    "validation": "val",
    "test": "test",
}
SHORTEST = 25.0  # seconds: clips are 30 s long, and a few of the archive are cut off


class Fma(Benchmark):
    """The official split, which keeps artists apart; clips that are cut off or damaged are named."""

    expects: ClassVar[str] = (
        "fma_metadata/tracks.csv, and one of fma_small, fma_medium, fma_large with its folders 000 to 155"
    )

    def catalogue(self) -> Iterator[Record | str]:
        """Yield the clips of the largest subset that is there."""
        subset = next(
            (n for n in ("fma_large", "fma_medium", "fma_small") if (self.source / n).is_dir()), None
        )
        if subset is None:
            raise self.refusal("there is no folder of clips")
        wanted = {path.stem: path for path in (self.source / subset).glob("[0-9][0-9][0-9]/*.mp3")}
        for number, row in self._tracks():
            path = wanted.get(f"{number:06d}")
            if path is None:
                continue  # of another subset
            sound: Any = sound_of(path)
            if sound is None or sound["duration"] < SHORTEST:
                fault = "damaged" if sound is None else "cut off"
                yield f"{subset}/{path.parent.name}/{path.name} is {fault}"
                continue
            genre = row.get("track genre_top", "")
            yield Record(
                id=f"fma-{number:06d}",
                file_path=str(path),
                **sound,
                title=row.get("track title") or None,
                artist=row.get("artist name") or None,
                group=row.get("artist id") or None,
                genre=[genre] if genre else [],
                licence=row.get("track license") or None,
                source="FMA",
                split=SPLITS.get(row.get("set split", "")),
            )

    def _tracks(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Yield the table's rows; its columns have names of two lines, and a third line names the index."""
        path = self.source / "fma_metadata" / "tracks.csv"
        if not path.is_file():
            raise self.refusal("there is no fma_metadata/tracks.csv")
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.reader(stream)
            groups, names = next(reader, []), next(reader, [])
            next(reader, [])
            columns = [f"{group} {name}" for group, name in zip(groups, names, strict=True)]
            for cells in reader:
                if cells and cells[0].isdigit() and len(cells) == len(columns):
                    yield int(cells[0]), dict(zip(columns, cells, strict=True))
