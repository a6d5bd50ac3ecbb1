"""Words in a file's tags are found, however large the pictures beside them are."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from disco.audio.faults import BadAudio
from disco.audio.stream import AudioStream
from disco.audio.tags import read_tags

RATE = 32000
PICTURE = 200_000_000  # bytes; holes in the files of these tests


def sound(path: Path, **tags: str) -> bytes:
    kinds = {".mp3": "MP3", ".flac": "FLAC", ".ogg": "OGG"}
    wave = 0.3 * np.sin(np.arange(2 * RATE) / 20)[:, None] * np.ones(2)
    with soundfile.SoundFile(path, "w", RATE, 2, format=kinds[path.suffix]) as file:
        for name, value in tags.items():
            setattr(file, name, value)
        file.write(wave)
    return path.read_bytes()


def seven(value: int, digits: int = 4) -> bytes:
    return bytes(value >> 7 * place & 127 for place in reversed(range(digits)))


Frame = Callable[[str, int], bytes]  # the head of an ID3 frame of a name and a length
FRAMES: dict[int, Frame] = {
    2: lambda name, size: {"TIT2": b"TT2", "TPE1": b"TP1", "APIC": b"PIC"}[name] + size.to_bytes(3, "big"),
    3: lambda name, size: name.encode() + struct.pack(">IH", size, 0),
    4: lambda name, size: name.encode() + seven(size) + b"\0\0",
}


def with_picture(path: Path, data: bytes, version: int, picture: int, *, extended: bool = False) -> Path:
    """Put an ID3 tag before an MP3: its title, a picture, its artist."""
    frame = FRAMES[version]
    title, artist = (b"\x03Bl\xc3\xa5", b"\x00Somebody") if version == 4 else (b"\x00Bl\xe5", b"\x00Somebody")
    more = b"" if not extended else seven(6) + b"\x01\0" if version == 4 else struct.pack(">IHI", 6, 0, 0)
    before = more + frame("TIT2", len(title)) + title + frame("APIC", picture)
    after = frame("TPE1", len(artist)) + artist + bytes(50)  # and padding
    size = len(before) + picture + len(after)
    with path.open("wb") as file:
        file.write(b"ID3" + bytes([version, 0, 0x40 if extended else 0]) + seven(size) + before)
        file.seek(picture, 1)
        file.write(after + data)
    return path


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("version", [2, 3, 4])
def test_words_stand_on_both_sides_of_a_picture(tmp_path: Path, version: int, *, extended: bool) -> None:
    if extended and version == 2:
        pytest.skip("that version has no extended header")
    data = sound(tmp_path / "plain.mp3", album="One")  # an ID3v1 tag at its end
    for picture in (1000, 3_000_000):
        path = with_picture(tmp_path / "song.mp3", data, version, picture, extended=extended)
        said = read_tags(path)
        assert (said["title"], said["artist"], said["album"]) == ("Blå", "Somebody", "One"), picture
        waves = []
        for one in (path, tmp_path / "plain.mp3"):
            with AudioStream(one) as stream:
                waves.append(np.concatenate([block.T for block in stream]))
                assert not stream.doubts
        assert np.array_equal(*waves)


def test_a_large_tag_without_words_says_nothing(tmp_path: Path) -> None:
    path, data = tmp_path / "a.mp3", sound(tmp_path / "plain.mp3")
    for head in (b"", b"\xff\xff\xff\xff", b"TIT2\xff\xff\xff\xff\0\0"):
        path.write_bytes(b"ID3\x03\0\0" + seven(3_000_000) + head.ljust(3_000_000, b"\0") + data)
        assert not any(read_tags(path).values())


LARGE = """
import re, sys
from pathlib import Path
from disco.audio.faults import BadAudio
from disco.audio.stream import AudioStream
from disco.audio.tags import read_tags
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024
before = peak()
for name in sys.argv[1:]:
    try:
        with AudioStream(Path(name)) as stream:
            heard = sum(block.shape[1] for block in stream)
        print(Path(name).name, heard, read_tags(Path(name))["artist"] or "-", peak() - before)
    except BadAudio as error:
        print(Path(name).name, error.code, "-", peak() - before)
"""


@pytest.mark.slow
def test_a_picture_of_200_megabytes_takes_no_memory(tmp_path: Path) -> None:
    with_picture(tmp_path / "a.mp3", sound(tmp_path / "plain.mp3"), 3, PICTURE)
    flac, block = sound(tmp_path / "plain.flac", artist="Somebody"), (1 << 24) - 1
    with (tmp_path / "a.flac").open("wb") as file:  # as many pictures as it takes
        file.write(flac[:42])
        for _ in range(PICTURE // block + 1):
            fields = struct.pack(">8I", 3, 0, 0, 1, 1, 24, 0, block - 32)
            file.write(b"\x06" + block.to_bytes(3, "big") + fields)
            file.seek(block - 32, 1)
        file.write(flac[42:])
    ogg = sound(tmp_path / "plain.ogg", artist="Somebody")
    with (tmp_path / "a.ogg").open("wb") as file:  # a comment that goes on over thousands of pages
        file.write(ogg[:58])
        for number in range(1, PICTURE // 65025):
            file.write(
                b"OggS\0\x01" + b"\xff" * 8 + ogg[14:18] + struct.pack("<II", number, 0) + b"\xff" * 256
            )
            file.seek(65025, 1)
        file.write(ogg[58:])
    names = ("plain.mp3", "a.mp3", "a.flac", "a.ogg")  # the first wakes what the decoders need
    ran = subprocess.run(
        [sys.executable, "-c", LARGE, *(str(tmp_path / name) for name in names)],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    plain, *told = [line.split() for line in ran.stdout.splitlines()]
    assert [line[:3] for line in told] == [
        ["a.mp3", str(2 * RATE), "Somebody"], ["a.flac", str(2 * RATE), "Somebody"],
        ["a.ogg", "long_tags", "-"],
    ]  # fmt: skip
    assert max(int(line[-1]) for line in told) - int(plain[-1]) < 25, ran.stdout
    with pytest.raises(BadAudio, match=re.escape("more than 16 MB")):
        AudioStream(tmp_path / "a.ogg")
