"""What an MP3 promises about itself: its frames, its length, and a sum over its bytes.

Decoders play on through damage. The headers of the frames (ISO 11172-3) show where sync is lost, the
tag of Xing how many frames there were, and LAME's extension of it a CRC-16 of all that follows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple, no_type_check

import numpy as np
from numba import njit

from disco.audio.faults import BadAudio

_KBPS = {  # by (first version of MPEG, layer)
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_AFTER = (b"TAG", b"APET", b"LYRI", b"ID3", b"\0\0\0")  # what may follow the last frame
_WINDOW = 1 << 16  # bytes searched for the first frame, and at once for the next after damage
_AGAIN = "export or copy the file again"


class Frame(NamedTuple):
    """A frame's header. `size` in bytes, `samples` per channel, `side` bytes before a Xing tag."""

    kind: tuple[int, int, int]
    size: int
    samples: int
    side: int


@dataclass
class Promise:
    """What an MP3 says it is.

    Attributes:
        start: where its first frame begins, behind tags and junk.
        frames: how many samples per channel there should be, None when nothing says so.
        doubts: what looks wrong.
    """

    start: int
    frames: int | None
    doubts: list[BadAudio] = field(default_factory=list)


class _Tag(NamedTuple):
    """Xing's and LAME's tag: frames after it, samples to cut, bytes with the tag's frame, their CRC."""

    frames: int | None
    cut: int
    length: int
    crc: int | None


def skip_id3(file: BinaryIO) -> int:
    """Return where the bytes after the leading ID3v2 tags begin, without reading the tags."""
    start = 0
    for _ in range(8):
        file.seek(start)
        head = file.read(10)
        if len(head) < 10 or head[:3] != b"ID3" or max(head[6:10]) > 127:
            break
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        start += 10 + size + (10 if head[5] & 0x10 else 0)
    return start


def first_frame(file: BinaryIO, start: int) -> int | None:
    """Return where the first of two successive frames begins within 64 KiB after `start`."""
    file.seek(start)
    window = file.read(_WINDOW)
    place = window.find(b"\xff")
    while 0 <= place <= len(window) - 4:
        frame = _frame(window[place : place + 4])
        if frame:
            following = window[place + frame.size : place + frame.size + 4]
            after = _frame(following)
            if (after and after.kind == frame.kind) or (place == 0 and len(following) < 4):
                return start + place
        place = window.find(b"\xff", place + 1)
    return None


def inspect_mp3(path: Path) -> Promise:
    """Walk the frames of an MP3 file without decoding it.

    Raises:
        BadAudio: `truncated`, more than a hundredth of the frames that its tag counts is missing.
    """
    with path.open("rb", buffering=1 << 20) as file:
        start = first_frame(file, skip_id3(file))
        assert start is not None, "only called for what was recognised as MP3"
        file.seek(start)
        frame = _frame(file.read(4))
        assert frame is not None
        file.seek(start)
        tag = _tag(file.read(frame.size), frame)
        first = start + frame.size if tag else start
        frames, lost, cut_off = _walk(file, first, frame.kind)
        promise = Promise(start, (tag.frames if tag and tag.frames else frames) * frame.samples)
        if tag:
            assert promise.frames is not None
            promise.frames = max(0, promise.frames - tag.cut)
            if tag.frames and frames < 0.99 * tag.frames:
                raise BadAudio("truncated", f"it holds {frames} of {tag.frames} frames", do=_AGAIN)
        if cut_off or (tag and tag.frames and frames < tag.frames - 1):
            promise.doubts.append(
                BadAudio("truncated", "its last frame is cut off", do=_AGAIN, verdict="warn")
            )
        if lost:
            reason = f"its frames are broken in {lost} {'places' if lost > 1 else 'place'}"
            promise.doubts.append(BadAudio("damaged", reason, do=_AGAIN, verdict="warn"))
        elif tag and tag.crc not in (None, _sum(file, first, start + tag.length)) and not cut_off:
            reason = "its bytes are not those that its encoder wrote"
            promise.doubts.append(BadAudio("damaged", reason, do=_AGAIN, verdict="warn"))
    return promise


def _frame(head: bytes) -> Frame | None:
    """Read a header of four bytes; None where there is none, or one without a bit rate."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    index, rate_index = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer == 4 or not 0 < index < 15 or rate_index == 3:
        return None
    first, rate = version == 3, _RATES[version][rate_index]
    samples = 384 if layer == 1 else 1152 if layer == 2 or first else 576
    bits = _KBPS[first, layer][index - 1] * 1000
    padding = head[2] >> 1 & 1
    size = (12 * bits // rate + padding) * 4 if layer == 1 else samples // 8 * bits // rate + padding
    mono = head[3] >> 6 == 3
    side = (17 if mono else 32) if first else (9 if mono else 17)
    return Frame((version, layer, rate), size, samples, 4 + side)


def _tag(data: bytes, frame: Frame) -> _Tag | None:
    body = data[frame.side :]
    if body[:4] not in (b"Xing", b"Info"):
        return None
    flags, place = body[7], 8
    frames = int.from_bytes(body[place : place + 4]) if flags & 1 else None
    place += 4 * (flags & 1) + 4 * (flags >> 1 & 1) + 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1)
    lame = body[place : place + 36]
    if len(lame) < 36 or lame[:4] not in (b"LAME", b"Lavf", b"Lavc"):
        return _Tag(frames, 0, 0, None)
    edges = int.from_bytes(lame[21:24])
    length = int.from_bytes(lame[28:32])
    crc = int.from_bytes(lame[32:34]) if lame[:4] == b"LAME" and length else None
    return _Tag(frames, (edges >> 12) + (edges & 0xFFF), length, crc)


def _walk(file: BinaryIO, place: int, kind: tuple[int, int, int]) -> tuple[int, int, bool]:
    """Return the number of frames, how often sync was lost, and whether the last frame is cut off."""
    size = file.seek(0, 2)
    frames = lost = 0
    while place < size:
        file.seek(place)
        head = file.read(4)
        frame = _frame(head)
        if frame and frame.kind == kind:
            if place + frame.size > size:
                return frames, lost, True
            frames += 1
            place += frame.size
            continue
        if head.startswith(_AFTER):
            break
        found = None
        while found is None and place < size:
            found = first_frame(file, place + 1)
            place += _WINDOW - 4
        if found is None:
            break  # what follows the last frame is no sound; an unknown tag, most often
        lost += 1
        place = found
    return frames, lost, False


def _sum(file: BinaryIO, start: int, end: int) -> int:
    """Return the CRC-16 of the bytes from `start` to `end`."""
    file.seek(start)
    crc, left = 0, end - start
    while left > 0 and (piece := file.read(min(left, 1 << 20))):
        crc = int(_crc16(np.frombuffer(piece, np.uint8), _TABLE, crc))
        left -= len(piece)
    return crc


def _crc_table() -> np.ndarray:
    """Build the table of the CRC-16 with the polynomial 0x8005, lowest bit first."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, table >> 1 ^ 0xA001, table >> 1)
    return table.astype(np.uint32)


_TABLE = _crc_table()


@njit(cache=True)
@no_type_check
def _crc16(data, table, crc):
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 255]
    return crc
