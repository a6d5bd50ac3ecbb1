"""The music of `scripts/conditions.py`: fiddle tunes at several tempos, and a picture for each."""

from __future__ import annotations

import colorsys
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from disco.core.files import write_text
from disco.core.record import Record, read_manifest, write_manifest
from disco.corpus.render import build_demo

METRES = ("2/4", "4/4", "2/2")  # of jigs and waltzes nobody can say whether the beat is a quarter
LONGEST = 24.0  # seconds of a piece
RATE = 16000  # Hz
PIXELS = 48


def build_corpus(
    root: Path, *, tempos_bpm: Sequence[float], instruments: Sequence[str], hours: float
) -> None:
    """Render the corpus into a folder that `data=audio` reads, unless it is there.

    Tunes stand on the same side of the split at every tempo. Pictures show the instrument, see `paint`.
    """
    asked = f"{list(tempos_bpm)} {list(instruments)} {hours}\n"
    made, manifest = root / "made.txt", root / "metadata" / "manifest.jsonl"
    if made.is_file() and made.read_text() == asked and manifest.is_file():
        return
    records: list[Record] = []
    for place, tempo in enumerate(tempos_bpm):
        part = f"{tempo:g}"
        build_demo(
            root / part,
            hours=hours / len(tempos_bpm),
            seed=place,  # other tunes on other instruments first
            rate=RATE,
            tempo_bpm=tempo,
            books=("ryan",),
            instruments=tuple(instruments),
            max_seconds=LONGEST,
        )
        found = read_manifest(root / part / "metadata" / "manifest.jsonl")
        records += [_moved(record, part) for record in found if record.metre in METRES]
    for record in records:
        name = f"images/{record.id}.png"
        _save(root / name, paint(record.instruments[0], instruments, zlib.crc32(record.id.encode())))
        record.extra["image"] = name
    write_manifest(manifest, records)
    write_text(made, asked)


def paint(instrument: str, instruments: Sequence[str], seed: int) -> UInt8[np.ndarray, "h w 3"]:
    """Return a noisy picture of one hue by instrument, in any tone and brightness of it."""
    generator = np.random.default_rng(seed)
    hue = (sorted(instruments).index(instrument) + generator.uniform(-0.25, 0.25)) / len(instruments)
    colour = colorsys.hsv_to_rgb(hue % 1.0, generator.uniform(0.6, 1.0), generator.uniform(0.5, 1.0))
    noisy = np.asarray(colour) + generator.normal(0.0, 0.1, (PIXELS, PIXELS, 3))
    return (noisy.clip(0.0, 1.0) * 255).astype(np.uint8)


def _moved(record: Record, part: str) -> Record:
    return replace(
        record,
        id=f"{record.id}-{part}",
        file_path=f"{part}/{record.file_path}",
        midi_path=f"{part}/{record.midi_path}",
        extra=dict(record.extra),
    )


def _save(path: Path, pixels: UInt8[np.ndarray, "h w 3"]) -> None:
    from PIL import Image  # Pillow comes with matplotlib

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
