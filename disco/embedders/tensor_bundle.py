"""Reads the tensors of a TensorFlow checkpoint without TensorFlow.

A checkpoint is two files. `.index` is a sorted table (the format of LevelDB): 48 bytes of footer lead to an
index block, that to data blocks, whose keys are the tensors' names and whose values are small protocol
buffers: type, shape, where in `.data-00000-of-00001` the values lie.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from disco.errors import DiscoError

_MAGIC = 0xDB4775248B80FB57
_FOOTER = 48
_TYPES = {1: np.dtype("<f4"), 2: np.dtype("<f8"), 3: np.dtype("<i4"), 9: np.dtype("<i8")}
_DTYPE, _SHAPE, _SHARD, _OFFSET, _SIZE = 1, 2, 3, 4, 5  # fields of an entry
_VARINT, _BYTES, _FIXED64, _FIXED32 = 0, 2, 1, 5  # wire types of protocol buffers


def read_bundle(index: Path, data: Path) -> dict[str, np.ndarray]:
    """Return every tensor of a checkpoint, by name.

    Raises:
        DiscoError: a file is missing, cut off, compressed, in several shards or not a checkpoint.
    """
    for path in (index, data):
        if not path.is_file():
            raise DiscoError(f"{path} is missing", do="install the package that carries it again")
    try:
        return dict(_tensors(index.read_bytes(), data.read_bytes()))
    except (ValueError, IndexError, KeyError, struct.error) as error:
        raise DiscoError(
            f"{index} is not a whole TensorFlow checkpoint ({error})", do="install its package again"
        ) from error


def _tensors(index: bytes, data: bytes) -> Iterator[tuple[str, np.ndarray]]:
    if len(index) < _FOOTER or struct.unpack("<Q", index[-8:])[0] != _MAGIC:
        raise ValueError("its footer is not that of a table")
    _, place = _handle(index, len(index) - _FOOTER)  # the first handle is of a block that nobody uses
    handle, _ = _handle(index, place)
    for _, value in _entries(_block(index, handle)):
        for key, entry in _entries(_block(index, _handle(value, 0)[0])):
            if key:  # the empty name is the header's
                yield key.decode(), _tensor(entry, data)


def _tensor(entry: bytes, data: bytes) -> np.ndarray:
    fields = dict(_fields(entry))
    if fields.get(_SHARD, 0):
        raise ValueError("it has several shards")
    dtype = _TYPES[fields[_DTYPE]]
    shape = [dict(_fields(dim)).get(1, 0) for number, dim in _fields(fields.get(_SHAPE, b"")) if number == 2]
    offset, size = fields.get(_OFFSET, 0), fields[_SIZE]
    count = int(np.prod(shape, dtype=np.int64))
    if size != count * dtype.itemsize or offset + size > len(data):
        raise ValueError("a tensor lies beyond the end of its file")
    return np.frombuffer(data, dtype, count, offset).reshape(shape).copy()


def _block(table: bytes, handle: tuple[int, int]) -> bytes:
    offset, size = handle
    if table[offset + size] != 0:
        raise ValueError("it is compressed")
    return table[offset : offset + size]


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values; a key may share its first bytes with the one before."""
    restarts = struct.unpack("<I", block[-4:])[0]
    end = len(block) - 4 * (restarts + 1)
    place, key = 0, b""
    while place < end:
        shared, place = _varint(block, place)
        fresh, place = _varint(block, place)
        length, place = _varint(block, place)
        key = key[:shared] + block[place : place + fresh]
        place += fresh
        yield key, block[place : place + length]
        place += length


def _handle(data: bytes, place: int) -> tuple[tuple[int, int], int]:
    offset, place = _varint(data, place)
    size, place = _varint(data, place)
    return (offset, size), place


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Yield the number of each field and its value: a whole number, or bytes."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, place = _varint(message, place)
            yield number, value
        elif wire == _BYTES:
            length, place = _varint(message, place)
            yield number, message[place : place + length]
            place += length
        elif wire in (_FIXED32, _FIXED64):
            place += 4 if wire == _FIXED32 else 8  # check sums: the package's file is checked as a whole
        else:
            raise ValueError("an entry cannot be read")


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
