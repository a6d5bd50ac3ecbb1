"""MAESTRO 3: two hundred hours of piano with its notes (Hawthorne et al. 2019, arXiv 1810.12247)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from disco.core.record import Record
from disco.data.benchmark import Benchmark, sound_of

SPLITS: dict[str, Literal["train", "val", "test"]] = {"train": "train", "validation": "val", "test": "test"}


class Maestro(Benchmark):
    """The official split; pieces are served with their sound and their notes."""

    expects: ClassVar[str] = "maestro-v3.0.0.csv and the folders 2004 to 2018 that it names, audio and MIDI"

    def catalogue(self) -> Iterator[Record | str]:
        """Yield the performances that are there."""
        for row in self.rows("maestro-v3.0.0.csv"):
            lacking = {"split", "audio_filename", "midi_filename"} - {name for name in row if row[name]}
            if lacking:
                raise self.refusal(f"maestro-v3.0.0.csv has no {', '.join(sorted(lacking))} in a row")
            audio, midi = (self.source / row[f"{kind}_filename"] for kind in ("audio", "midi"))
            sound: Any = sound_of(audio) if audio.is_file() else None
            if sound is None or not midi.is_file():
                lost = row["midi_filename"] if sound is not None else row["audio_filename"]
                yield f"{lost} is missing or damaged"
                continue
            composer = row.get("canonical_composer") or None
            yield Record(
                id=f"maestro-{audio.stem}",
                file_path=str(audio),
                midi_path=str(midi),
                **sound,
                title=row.get("canonical_title") or None,
                artist=composer,
                instruments=["piano"],
                group=f"{composer}: {row.get('canonical_title')}",
                year=int(row["year"]) if row.get("year", "").isdigit() else None,
                source="MAESTRO 3.0.0",
                split=SPLITS.get(row["split"]),
            )
