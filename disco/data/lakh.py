"""The Lakh MIDI Dataset: scores from the web, named by their hashes (Raffel 2016)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from disco.core.record import Record, Split
from disco.data.benchmark import Benchmark
from disco.errors import DiscoError
from disco.midi.score import note_table, read_score

SPLITS: dict[str, Split] = {"e": "val", "f": "test"}  # Thickstun et al. 2023, arXiv 2306.08620
RATE = 32000  # Hz at which a score is played where a judge listens
LONGEST = 3600.0  # seconds: what lasts longer has a stray note


class Lakh(Benchmark):
    """Split by the first digit of the hash: `e` validates, `f` tests, the rest trains; doubles count once."""

    expects: ClassVar[str] = "lmd_full with its folders 0 to f of <md5>.mid"

    def catalogue(self) -> Iterator[Record | str]:
        """Yield the scores that can be read."""
        files = sorted((self.source / "lmd_full").glob("[0-9a-f]/*.mid"))
        if not files:
            raise self.refusal("there is no lmd_full with scores")
        seen: set[str] = set()
        for path in files:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            if digest not in seen:
                seen.add(digest)
                yield _record(path)


def _record(path: Path) -> Record | str:
    try:
        notes = note_table(read_score(path))
    except DiscoError as error:
        return str(error)
    seconds = float(notes.offset.max())
    if not 0 < seconds <= LONGEST:
        return f"{path.name} lasts {seconds:.0f} s"
    return Record(
        id=f"lakh-{path.stem}",
        file_path=str(path),
        midi_path=str(path),
        duration=seconds,
        sample_rate=RATE,
        source="Lakh MIDI Dataset",
        split=SPLITS.get(path.stem[0], "train"),
    )
