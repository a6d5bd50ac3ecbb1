"""What a sound file says of itself in words; the pictures beside them are passed over unread."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import BinaryIO

import soundfile

from disco.audio.mpeg import first_frame, skip_id3

NAMES = ("title", "artist", "album", "genre", "date", "license")
_LARGE_TAG = 1 << 20  # bytes of an ID3 tag that is not handed over whole: it holds pictures
_LARGE_FRAME = 1 << 16  # bytes of one line of it
_MOST_FRAMES = 10_000
_SOUND = 1 << 16  # bytes of the sound behind it, so that the decoder knows the file for what it is
_ID3V1 = 128  # bytes at the end of the file
_UNSYNCHRONISED, _EXTENDED = 0x80, 0x40  # flags of the tag


def read_tags(path: Path) -> dict[str, str]:
    """Return the words under `NAMES`, empty where nothing is said.

    Raises:
        OSError: the file cannot be read.
        soundfile.LibsndfileError: no decoder knows it.
    """
    with path.open("rb") as raw:
        start = skip_id3(raw)
        if start > _LARGE_TAG:
            with soundfile.SoundFile(io.BytesIO(_without_pictures(raw, start))) as file:
                return {name: getattr(file, name) for name in NAMES}
    with soundfile.SoundFile(os.fsencode(path)) as file:  # pyright: ignore[reportArgumentType]
        return {name: getattr(file, name) for name in NAMES}


def _without_pictures(file: BinaryIO, start: int) -> bytes:
    """Return a file's ID3 tag with its lines of text alone, the beginning of its sound, and its ID3v1 tag."""
    file.seek(0)
    head = file.read(10)
    version, flags = head[3], head[5]
    lines = _lines(file, start, version, extended=bool(flags & _EXTENDED))
    tag = head[:5] + bytes([flags & _UNSYNCHRONISED]) + _seven_bits(len(lines)) + lines if lines else b""
    file.seek(first_frame(file, start) or start)
    sound = file.read(_SOUND)
    file.seek(0, os.SEEK_END)
    file.seek(max(start, file.tell() - _ID3V1))
    last = file.read()
    return tag + sound + (last if last.startswith(b"TAG") else b"")


def _lines(file: BinaryIO, end: int, version: int, *, extended: bool) -> bytes:
    """Return the text frames of an ID3 tag of version 2.2, 2.3 or 2.4 (id3.org, section 4 of each)."""
    place, name, width = 10, 3 if version == 2 else 4, 6 if version == 2 else 10
    if extended and version > 2:
        size = file.read(4)
        place += _number(size, 7) if version == 4 else 4 + _number(size, 8)
    found = bytearray()
    for _ in range(_MOST_FRAMES):
        file.seek(place)
        head = file.read(width)
        if place + width > end or not head[:name].isalnum():
            break  # padding, or nothing that can be followed
        size = _number(head[name : 2 * name], 7 if version == 4 else 8)
        place += width + size
        if head[:1] == b"T" and size <= _LARGE_FRAME and len(found) < _LARGE_TAG:
            found += head + file.read(size)
    return bytes(found)


def _number(digits: bytes, bits: int) -> int:
    value = 0
    for digit in digits:
        value = value << bits | digit
    return value


def _seven_bits(value: int) -> bytes:
    return bytes(value >> shift & 127 for shift in (21, 14, 7, 0))
