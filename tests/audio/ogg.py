"""Ogg streams that say of themselves what is not so."""

from __future__ import annotations

import struct


def promising(data: bytes, more: int) -> bytes:
    """Let the last page of a stream count so many samples more than there are (RFC 3533, section 6)."""
    start = data.rfind(b"OggS")
    page = bytearray(data[start:])
    (last,) = struct.unpack("<q", page[6:14])
    page[6:14], page[22:26] = struct.pack("<q", last + more), bytes(4)
    page[22:26] = struct.pack("<I", _checksum(page))
    return data[:start] + bytes(page)


def _checksum(page: bytes | bytearray) -> int:
    """Return the CRC-32 of Ogg: the polynomial 0x04c11db7, highest bit first."""
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    return crc
