"""What a sound file is, by its bytes, and whether all that its header promises is there."""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path
from typing import BinaryIO

from disco.audio.faults import BadAudio
from disco.audio.mpeg import first_frame, skip_id3

_UNSAID = (0, 0xFFFFFFFF)  # sizes written by programs that cannot seek back
_OGG_TAIL = 1 << 17  # twice the largest page
_OGG_HEAD = 1 << 24  # bytes of tags that are read; the decoder holds several copies of them
_EXPORT = "export or copy the file again"


def recognise(path: Path) -> str:
    """Return its kind: `wav`, `rf64`, `w64`, `flac`, `ogg`, `mp3`, `aiff`, `au`, `caf`, `m4a` or `aac`.

    Only regular files are opened: a pipe would block and a device never end.

    Raises:
        BadAudio: `not_regular`, `empty` or `unreadable`.
    """
    try:
        found = path.stat()
    except OSError as error:
        gone = path.is_symlink()
        code = "not_regular" if gone else "unreadable"
        reason = "it is a link to nothing" if gone else f"it cannot be opened ({error.strerror})"
        raise BadAudio(code, reason, do="check the path and its permissions") from error
    if not stat.S_ISREG(found.st_mode):
        raise BadAudio("not_regular", "it is not a regular file", do="give an audio file")
    if found.st_size == 0:
        raise BadAudio("empty", "the file has no bytes", do=_EXPORT)
    try:
        with path.open("rb") as file:
            kind = _kind(file)
    except OSError as error:
        raise BadAudio("unreadable", f"it cannot be read ({error.strerror})", do=_EXPORT) from error
    if kind is None:
        raise BadAudio("unreadable", "its bytes are of no known audio format", do="convert it to WAV or FLAC")
    return kind


def _kind(file: BinaryIO) -> str | None:
    head = file.read(12)
    if head[:4] in (b"RIFF", b"RIFX") and head[8:] == b"WAVE":
        return "wav"
    if head[:4] in (b"RF64", b"BW64"):
        return "rf64"
    if head[:4] == b"FORM" and head[8:] in (b"AIFF", b"AIFC"):
        return "aiff"
    if head[4:8] == b"ftyp":
        return "m4a"
    for magic, kind in (
        (b"fLaC", "flac"), (b"OggS", "ogg"), (b"caff", "caf"), (b".snd", "au"), (b"riff", "w64"),
    ):  # fmt: skip
        if head.startswith(magic):
            return kind
    start = skip_id3(file)
    file.seek(start)
    if start and file.read(4) == b"fLaC":
        return "flac"
    if _is_adts(file, start):
        return "aac"
    return None if first_frame(file, start) is None else "mp3"


def _is_adts(file: BinaryIO, start: int) -> bool:
    """Look for two successive frames of AAC without a container (ISO/IEC 13818-7, section 6.2)."""
    for _ in range(2):
        file.seek(start)
        head = file.read(7)
        if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
            return False
        start += (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return True


def check_wave(path: Path) -> None:
    """Compare the sizes in a WAV header with what the file holds; nothing is allocated by its word.

    Raises:
        BadAudio: `truncated`, `unreadable`, `empty` or `odd_channels`.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        little = "<" if head[:4] != b"RIFX" else ">"
        whole: int = struct.unpack(little + "I", head[4:8])[0] if len(head) >= 8 else 0
        long_data = None
        place = 12
        while place + 8 <= size:
            file.seek(place)
            name, length = struct.unpack(little + "4sI", file.read(8))
            if name == b"ds64":
                long_data = struct.unpack("<Q", file.read(16)[8:].ljust(8, b"\0"))[0]
            elif name == b"fmt ":
                _check_format(file.read(16), little)
            elif name == b"data":
                if long_data is not None and length == 0xFFFFFFFF:
                    length = long_data
                _check_data(length, size - place - 8, unsaid=length in _UNSAID and whole in _UNSAID)
                return
            place += 8 + length + length % 2
    raise BadAudio("truncated", "it ends before its sound begins", do=_EXPORT)


def _check_format(fields: bytes, little: str) -> None:
    if len(fields) < 16:
        raise BadAudio("truncated", "it ends within its header", do=_EXPORT)
    _, channels, _, _, block_align, _ = struct.unpack(little + "HHIIHH", fields)
    if not 1 <= channels <= 1024:
        raise BadAudio("odd_channels", f"its header claims {channels} channels", do=_EXPORT)
    if block_align == 0:
        raise BadAudio("unreadable", "its header says that a sample takes no bytes", do=_EXPORT)


def _check_data(promised: int, there: int, *, unsaid: bool) -> None:
    if unsaid:
        return
    if promised > there:
        raise BadAudio("truncated", f"it holds {there} bytes of sound of {promised} promised", do=_EXPORT)
    if promised == 0:
        raise BadAudio("empty", "it holds no samples", do=_EXPORT)


def check_ogg(path: Path) -> None:
    """Look for the page that ends an Ogg stream (RFC 3533, section 6), and for sound behind its tags.

    Raises:
        BadAudio: `truncated`, or `long_tags`.
    """
    with path.open("rb") as file:
        if _ogg_head(file) > _OGG_HEAD:
            raise BadAudio(
                "long_tags",
                f"its tags have more than {_OGG_HEAD >> 20} MB",
                do="take the picture out of its tags",
            )
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - _OGG_TAIL))
        tail = file.read()
    page = tail.rfind(b"OggS")
    whole = page >= 0 and page + 27 <= len(tail)
    if whole:
        lacing = tail[page + 27 : page + 27 + tail[page + 26]]
        whole = bool(tail[page + 5] & 4) and page + 27 + len(lacing) + sum(lacing) <= len(tail)
    if not whole:
        raise BadAudio("truncated", "its last page is missing", do=_EXPORT)


def _ogg_head(file: BinaryIO) -> int:
    """Return how many bytes of pages stand before the first that ends a piece of sound; little is read."""
    place = 0
    while place <= _OGG_HEAD:
        file.seek(place)
        head = file.read(27)
        if len(head) < 27 or head[:4] != b"OggS":
            break
        if 0 < int.from_bytes(head[6:14], "little") < 1 << 63:  # -1: none of its packets ends here
            break
        place += 27 + head[26] + sum(file.read(head[26]))
    return place
