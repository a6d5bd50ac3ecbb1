"""MusicCaps: 5,521 ten-second clips with captions by musicians (Agostinelli 2023, arXiv 2301.11325)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import ClassVar

from disco.core.record import Record
from disco.data.benchmark import Benchmark


class MusicCaps(Benchmark):
    """All clips are a test set; the audio is the user's, ten seconds of each video."""

    expects: ClassVar[str] = "musiccaps-public.csv, and the clips as audio/<ytid>.wav (or .flac, .ogg, .mp3)"

    def catalogue(self) -> Iterator[Record | str]:
        """Yield the clips that are there."""
        for row in self.rows("musiccaps-public.csv"):
            name = row.get("ytid", "").strip()
            if not name:
                raise self.refusal("musiccaps-public.csv has no column ytid")
            sound = self.first_sound([f"audio/{name}{end}" for end in (".wav", ".flac", ".ogg", ".mp3")])
            if isinstance(sound, str):
                yield sound
                continue
            yield Record(
                id=f"musiccaps-{name}",
                **sound,
                caption=row.get("caption") or None,
                source="MusicCaps",
                split="test",
                extra={"aspects": _aspects(row.get("aspect_list", ""))},
            )


def _aspects(text: str) -> list[str]:
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return []
    return [str(one) for one in found] if isinstance(found, list) else []
