"""How what is known of one file is kept: curves as arrays, notes as plain values."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Float

from disco.audio.spool import let_go, room
from disco.core.stage import Notes, Problem, Source
from disco.errors import DiscoError

QUIETEST = 1e-10  # power of the mel floor: -100 dB
_ROWS = 4096  # frames at a time, so that a long file costs no second copy


def shrink(curves: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the arrays that are written: mel power becomes float16 decibels under the name `mel_db`."""
    small = {name: _in_order(curve) for name, curve in sorted(curves.items()) if name != "mel"}
    if "mel" in curves:
        power = curves["mel"]
        small["mel_db"] = room(power.shape, np.float16)
        for first in range(0, len(power), _ROWS):
            rows = slice(first, first + _ROWS)
            level = np.log(np.maximum(np.asarray(power[rows]), np.float32(QUIETEST)))
            small["mel_db"][rows] = level * np.float32(10.0 / np.log(10.0))
            let_go(power)
            let_go(small["mel_db"])
    return small


def _in_order(curve: np.ndarray) -> np.ndarray:
    """Copy only what must be copied: an array that lies in a file stays there."""
    return curve if curve.flags.c_contiguous else np.ascontiguousarray(curve)


class Grown(dict[str, np.ndarray]):
    """The curves that stages know, from the arrays that were written.

    Mel power takes the most memory by far, so it is made when a stage asks for it.
    """

    def __init__(self, small: Mapping[str, np.ndarray]) -> None:
        super().__init__({name: small[name] for name in small if name != "mel_db"})
        self._mel_db = small.get("mel_db")

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (name == "mel" and self._mel_db is not None)

    def __missing__(self, name: str) -> np.ndarray:
        if name != "mel" or self._mel_db is None:
            raise KeyError(name)
        self["mel"] = mel_power(self._mel_db)
        return self["mel"]

    def names(self) -> set[str]:
        """Return what can be asked for."""
        return {*self, *(("mel",) if "mel" in self else ())}


def mel_power(level_db: np.ndarray) -> Float[np.ndarray, "f m"]:
    """Return power from decibels."""
    power = np.empty(level_db.shape, np.float32)
    for first in range(0, len(power), _ROWS):
        rows = slice(first, first + _ROWS)
        power[rows] = np.exp(level_db[rows].astype(np.float32) * np.float32(np.log(10.0) / 10.0))
    return power


@contextmanager
def opened_curves(path: Path) -> Iterator[Mapping[str, np.ndarray]]:
    """Open the arrays of one file, each of which is checked when it is read; nothing in it can run.

    Raises:
        DiscoError: what is read is not what was written.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            yield arrays
    except (BadZipFile, OSError, ValueError, EOFError) as error:
        raise DiscoError(
            f"{path} is damaged ({error})",
            do="delete it and run the same preparation again: it makes it anew",
        ) from error


def read_curves(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of one file."""
    with opened_curves(path) as arrays:
        return dict(arrays)


def checksum(path: Path) -> list[int]:
    """Return the size and the CRC-32 of a file."""
    size = crc = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            size += len(block)
            crc = zlib.crc32(block, crc)
    return [size, crc]


def plain_notes(notes: Notes) -> dict[str, Any]:
    """Return the notes without their curves, as JSON holds them."""
    values = {name: value for name, value in vars(notes).items() if name not in ("source", "curves")}
    values["problems"] = plain_problems(notes.problems)
    return _plain(values)


def plain_problems(problems: list[Problem]) -> list[dict[str, str]]:
    """Return problems as JSON holds them."""
    return [asdict(problem) for problem in problems]


def notes_of(values: Mapping[str, Any], source: Source, curves: dict[str, np.ndarray]) -> Notes:
    """Return the notes that `plain_notes` was given."""
    found = dict(values)
    found["kept"] = tuple(found["kept"]) if found["kept"] else None
    found["segments"] = [(start, end) for start, end in found["segments"]]
    found["problems"] = [Problem(**problem) for problem in found["problems"]]
    return Notes(source=source, curves=curves, **found)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value.item() if isinstance(value, (np.generic, np.ndarray)) else value
