"""The header of a safetensors file, read with suspicion: a file from elsewhere may be made to do harm."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from disco.errors import DiscoError

LONGEST = (
    25_000_000  # bytes of header: some hundred thousand names; the library itself allows four times that
)
MOST = 50_000  # tensors
LONGEST_NAME = 1024
BYTES = {
    "F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2,
    "I8": 1, "U8": 1, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Header:
    """What a file says of itself.

    Attributes:
        facts: what its writer told beside the tensors.
        shapes: shape of each tensor.
        start: byte at which the tensors begin.
    """

    facts: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]
    start: int


def read_header(path: Path) -> Header:
    """Return the header of a file whose parts fit together: no gap, no overlap, no name twice.

    Reads the header only, and at most 25 MB of it.

    Raises:
        DiscoError: it is no safetensors file, or one that no honest writer makes.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 10 or not 2 <= length <= min(size - 8, LONGEST):
            raise _odd(path, "it is no safetensors file, or cut short")
        text = file.read(length)
    if text.count(b'"data_offsets"') > MOST:
        raise _odd(path, f"it holds more than {MOST:,} tensors")
    try:
        found = json.loads(text.decode("utf-8"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise _odd(path, f"its header cannot be read ({error})") from error
    if not isinstance(found, dict):
        raise _odd(path, "its header is no table")
    facts = found.pop("__metadata__", {})
    if not isinstance(facts, dict) or not all(isinstance(value, str) for value in facts.values()):
        raise _odd(path, "its metadata is no table of texts")
    _check_places(path, found, size - 8 - length)
    shapes = {name: tuple(entry["shape"]) for name, entry in found.items()}
    return Header(facts, shapes, 8 + length)


def _check_places(path: Path, entries: Mapping[str, Any], size: int) -> None:
    """Refuse tensors that are not one behind the other, or not as long as their shape says."""
    places = []
    for name, entry in entries.items():
        if len(name) > LONGEST_NAME:
            raise _odd(path, f"a name has {len(name):,} characters")
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise _odd(path, f"{name} is not described as a tensor is")
        shape, offsets = entry["shape"], entry["data_offsets"]
        if not (_are_counts(shape) and _are_counts(offsets) and len(offsets) == 2):
            raise _odd(path, f"{name} has a shape or place that is none")
        length = math.prod(shape) * BYTES.get(str(entry["dtype"]), -1)
        if offsets[1] - offsets[0] != length:
            raise _odd(path, f"{name} is not as long as its type and shape say")
        places.append((offsets[0], offsets[1]))
    end = 0
    for first, last in sorted(places):
        if first != end:
            raise _odd(path, "its tensors overlap or leave gaps")
        end = last
    if end != size:
        raise _odd(path, f"it has {size:,} bytes of tensors, and its header says {end:,}")


def _are_counts(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a name stands twice")
    return table


def _odd(path: Path, why: str) -> DiscoError:
    return DiscoError(
        f"{path}: {why}; nothing of it was used", do="take a whole file from where you trust it"
    )
