"""What is written for one file: its sound, the pieces cut out of it, its curves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from zipfile import ZIP64_LIMIT, ZipFile, ZipInfo

import numpy as np
from jaxtyping import Float

from disco.audio.dither import Dither
from disco.audio.edges import cut_out
from disco.audio.mapped import open_mapped
from disco.audio.pcm import PcmWriter
from disco.audio.spool import let_go
from disco.core.stage import Notes
from disco.drafts import durable
from disco.prepare.keep import checksum

SOUNDS = "audio/processed"
CURVES = "audio/features"
ROWS = 4096  # of an array, at a time


def write_wave(path: Path, blocks: Iterable[Float[np.ndarray, "c t"]], notes: Notes, *, seed: int) -> int:
    """Write blocks of sound with the rate, channels and bits of the notes; return how many samples."""
    with path.open("wb") as file:
        writer = PcmWriter(file, rate=notes.rate, channels=notes.channels, bits=notes.bits)
        dither = Dither(bits=notes.bits, seed=seed)
        for block in blocks:
            writer.write(dither.push(block))
        writer.close()
    return writer.frames


def pieces(notes: Notes) -> list[tuple[float, float]]:
    """Return the (start, end) of every piece of a file, in seconds."""
    return [(start, end) for start, end in notes.segments or [notes.span] if end > start]


def write_pieces(target: Path, sound: Path, notes: Notes) -> dict[str, list[int]]:
    """Write each piece of `sound` as it will be heard; return their names with size and checksum."""
    files: dict[str, list[int]] = {}
    for number, (start, end) in enumerate(pieces(notes)):
        name = f"{SOUNDS}/{notes.source.key}-{number:03d}.wav"
        first, last = round(start * notes.rate), round(end * notes.rate)
        with durable(target / name) as draft:
            write_wave(draft, _heard(sound, notes, first, last), notes, seed=number + 1)
            files[name] = checksum(draft)
    return files


def _heard(sound: Path, notes: Notes, first: int, last: int) -> Iterable[Float[np.ndarray, "c t"]]:
    """Yield a piece about a second at a time, with its gain and fades."""
    wave = open_mapped(sound)
    assert wave is not None, "what was just written can be mapped"
    for place in range(first, last, notes.rate):
        yield cut_out(
            wave.read(place, min(notes.rate, last - place)),
            notes.rate,
            gain_db=notes.gain_db,
            fade_seconds=notes.fade_seconds,
            offset=place - first,
            whole=last - first,
        )


def _save(out: Any, array: np.ndarray) -> None:
    facts = np.lib.format.header_data_from_array_1_0(np.empty((0, *array.shape[1:]), array.dtype))
    np.lib.format.write_array_header_1_0(out, facts | {"shape": array.shape})
    for first in range(0, len(array), ROWS):
        out.write(array[first : first + ROWS].tobytes())
        let_go(array)


def write_curves(target: Path, key: str, arrays: Mapping[str, np.ndarray]) -> dict[str, list[int]]:
    """Write the arrays of one file; return its name with size and checksum."""
    name = f"{CURVES}/{key}.npz"
    with durable(target / name) as draft:
        with ZipFile(draft, "w") as file:  # as `numpy.savez` does, some rows at a time
            for member, array in arrays.items():
                info = ZipInfo(f"{member}.npy")  # without the time: equal arrays, equal bytes
                with file.open(info, "w", force_zip64=array.nbytes > ZIP64_LIMIT // 2) as out:
                    _save(out, array)
        return {name: checksum(draft)}
