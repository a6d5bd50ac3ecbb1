"""Song Describer: two-minute tracks with captions by listeners (Manco et al. 2023, arXiv 2311.10057)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import ClassVar

from disco.core.record import Record
from disco.data.benchmark import Benchmark


class SongDescriber(Benchmark):
    """The valid subset as a test set; a track with several captions is one piece per caption."""

    expects: ClassVar[str] = (
        "song_describer.csv, and the tracks as audio/<path of the table> (24/1086924.2min.mp3)"
    )

    def catalogue(self) -> Iterator[Record | str]:
        """Yield the captioned tracks that are there."""
        for row in self.rows("song_describer.csv"):
            if not row.get("path") or not row.get("caption_id"):
                raise self.refusal("song_describer.csv has no columns path and caption_id")
            if row.get("is_valid_subset", "True").strip().lower() not in ("true", "1"):
                continue
            said = PurePosixPath(row["path"])
            short = f"{said.with_suffix('')}.2min{said.suffix}"
            sound = self.first_sound([f"audio/{short}", f"audio/{said}"])
            if isinstance(sound, str):
                yield sound
                continue
            yield Record(
                id=f"song-describer-{row['caption_id']}",
                **sound,
                caption=row.get("caption") or None,
                artist=row.get("artist_id") or None,
                group=row.get("track_id") or None,
                source="Song Describer",
                split="test",
            )
