"""One folder with every fault of a file beside good ones: each has its code, and the good are whole."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from disco.core.stage import Stage
from disco.executors.local import Local
from disco.prepare.verify import verify
from tests.audio.ogg import promising
from tests.audio.sounds import played, tunes
from tests.prepare.test_audio import report
from tests.prepare.tiny import Level, prepare, songs, stages, tree, write_sound
from tests.stage.passing import stage

ROOT = Path(__file__).resolve().parents[2]
RATE = 32000
STEPS = ("quality", "standardize", "loudness", "features", "fingerprint", "trim", "segment")


def real_stages(**changes: dict) -> dict[str, Stage]:
    changes = {"segment": {"shortest": 2.0}, **changes}
    return {name: stage(name, **changes.get(name, {})) for name in STEPS}


def tune(number: int, seconds: float = 6.0) -> np.ndarray:
    """Real music in stereo, with the air of a room."""
    wave = played(tunes(6)[number].id, ("piano", "violin", "flute")[number % 3], channels=2, seconds=seconds)
    air = np.random.default_rng(number).standard_normal(wave.shape)
    return (0.8 * wave + 10 ** (-75 / 20) * air).T


def write(path: Path, wave: np.ndarray, rate: int = RATE, subtype: str = "PCM_16") -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    kinds = {".mp3": ("MP3", None), ".ogg": ("OGG", None), ".flac": ("FLAC", "PCM_16")}
    kind, subtype_ = kinds.get(path.suffix, ("WAV", subtype))
    with soundfile.SoundFile(path, "w", rate, wave.shape[1], subtype=subtype_, format=kind) as file:
        for first in range(0, len(wave), 8192):
            file.write(wave[first : first + 8192])
    return path.read_bytes()


def header(good: bytes, place: int, value: bytes) -> bytes:
    return good[:place] + value + good[place + len(value) :]


def every_997th(data: bytes) -> bytes:
    flipped = bytearray(data)
    for place in range(997, len(data), 997):
        flipped[place] ^= 0xFF
    return bytes(flipped)


def damaged(folder: Path) -> dict[str, tuple[bytes, str]]:
    """By name, the bytes of a file and the code under which it must be told."""
    good, mp3 = write(folder / "good.wav", tune(0)), write(folder / "good.mp3", tune(1))
    ogg, flac = write(folder / "good.ogg", tune(0)), write(folder / "good.flac", tune(0))
    odd = folder / "odd.wav"
    wrong = tune(0)
    wrong[4321, 1] = np.nan
    nan = write(odd, wrong, subtype="FLOAT")
    return {
        "a1 third.wav": (good[: len(good) // 3], "truncated"),
        "a1 third.ogg": (ogg[: len(ogg) // 3], "truncated"),
        "a1 third.flac": (flac[: len(flac) // 3], "truncated"),
        "a2 header.wav": (good[:30], "truncated"),
        "a2 nothing.wav": (b"", "empty"),
        "a2 page.wav": (b"<!DOCTYPE html><html><body>404</body></html>" * 20, "unreadable"),
        "a3 no samples.wav": (good[:40] + b"\0" * 4, "empty"),
        "a4 one sample.wav": (write(odd, tune(0)[RATE : RATE + 1]), "too_short"),
        "a4 instant.wav": (write(odd, tune(0)[RATE : RATE + 320]), "too_short"),
        "a5 silence.wav": (write(odd, np.zeros((3 * RATE, 2))), "silent"),
        "a6 nan.wav": (nan, "non_finite"),
        "a7 absurd.wav": (write(odd, 1e30 * tune(0), subtype="FLOAT"), "absurd_level"),
        "a10 1 hz.wav": (header(good, 24, struct.pack("<I", 1)), "odd_rate"),
        "a10 400 khz.wav": (header(good, 24, struct.pack("<I", 400_000)), "odd_rate"),
        "a11 4 gb.wav": (header(good, 40, b"\xf0\xff\xff\xff"), "truncated"),
        "a11 channels.wav": (header(good, 22, b"\xff\xff"), "odd_channels"),
        "a11 align.wav": (header(good, 32, b"\0\0"), "unreadable"),
        "a12 third.mp3": (mp3[: len(mp3) // 3], "truncated"),
        "a13 junk.mp3": (bytes(1_000_000), "unreadable"),
    }


def folder_of_faults(folder: Path) -> dict[str, str]:
    """Fill a folder; return the code by name."""
    codes: dict[str, str] = {}
    for name, (data, code) in damaged(folder.parent / "made").items():
        (folder / name).write_bytes(data)
        codes[name] = code
    os.mkfifo(folder / "a14 pipe.wav")
    (folder / "a14 folder.wav").mkdir()
    (folder / "a14 nowhere.wav").symlink_to(folder / "gone")
    (folder / "a14 device.wav").symlink_to("/dev/zero")
    (folder / "a15 circle.wav").symlink_to(folder / "a15 circle.wav")
    names = ("pipe", "folder", "nowhere", "device")
    return codes | dict.fromkeys([*(f"a14 {name}.wav" for name in names), "a15 circle.wav"], "not_regular")


def good_music(folder: Path) -> Path:
    for number in range(3):
        write(folder / f"good {number}.wav", tune(number))
    return folder


def sounds(target: Path) -> dict[str, str]:
    return {name: crc for name, crc in tree(target).items() if name.startswith("audio/p")}


@pytest.mark.slow
def test_every_fault_has_its_code_and_costs_no_other_file(tmp_path: Path) -> None:
    source = good_music(tmp_path / "music")
    clean = prepare(source, tmp_path / "clean", steps=real_stages())
    codes = folder_of_faults(source)
    records = prepare(source, tmp_path / "set", steps=real_stages())
    assert records == clean
    assert sounds(tmp_path / "set") == sounds(tmp_path / "clean"), (
        "nothing of the others, and no half of them"
    )
    told = report(tmp_path / "set")
    assert {name: [code for code in told[name] if code == codes[name]] for name in codes} == {
        name: [code] for name, code in codes.items()
    }
    assert {name for name in codes if len(told[name]) > 1} <= {"a4 one sample.wav", "a4 instant.wav"}, (
        "of what is too short other measures say something too"
    )
    assert verify(tmp_path / "set") == {}
    before = tree(tmp_path / "set")
    prepare(source, tmp_path / "set", steps=real_stages())
    assert tree(tmp_path / "set") == before


@pytest.mark.slow
def test_what_is_odd_and_yet_whole_is_kept(tmp_path: Path) -> None:
    """Other formats, rates and channels, wrong suffixes, junk before an MP3: all become one kind of file."""
    source, wave = tmp_path / "music", tune(0)
    mp3, good = write(source / "0.mp3", tune(1)), write(source / "made.wav", tune(2))
    (source / "made.wav").rename(source / "wav.mp3")
    (source / "mp3.wav").write_bytes(write(source / "made.mp3", tune(3)))
    (source / "made.mp3").unlink()
    (source / "flipped.mp3").write_bytes(every_997th(write(source / "flipped.mp3", tune(4))))
    (source / "short.ogg").write_bytes(promising(write(source / "short.ogg", tune(5, 12.0)), 3000))
    length = bytes(20_000_000 >> shift & 127 for shift in (21, 14, 7, 0))
    with (source / "picture.mp3").open("wb") as file:  # a picture of 20 MB: a hole in the file
        file.write(b"ID3\x03\0\0" + length + b"APIC" + struct.pack(">I", 20_000_000 - 10) + b"\0\0")
        file.seek(10 + 20_000_000)
        file.write(write(source / "made.mp3", tune(5)))
    (source / "made.mp3").unlink()
    assert mp3
    assert good
    for number, subtype in enumerate(("PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAW")):
        rate = (8000, 11025, 22050, 44100, 48000, 192_000)[number]
        write(source / f"{subtype}.wav", wave[: 4 * rate] * (0.5 + 0.05 * number), rate, subtype)
    write(source / "8 channels.wav", np.repeat(wave, 4, axis=1) / 4)
    write(source / "5.1.wav", np.repeat(wave, 3, axis=1) / 3, 48000)
    write(source / "mono.wav", wave[:, :1])
    write(source / "jump in time.wav", tune(2)[:100_000])
    os.utime(source / "jump in time.wav", (-5e8, 8e9))  # 1954 and 2223
    records = prepare(source, tmp_path / "set", steps=real_stages())
    assert {str(record.source) for record in records} == {path.name for path in source.iterdir()}
    assert {(record.sample_rate, record.channels) for record in records} == {(RATE, 2)}
    kinds = {soundfile.info(tmp_path / "set" / r.file_path).subtype for r in records}
    assert kinds == {"PCM_16"}
    told = report(tmp_path / "set")
    assert "damaged" in told["flipped.mp3"]
    assert "truncated" in told["short.ogg"]
    for record in records:
        reached = record.features["loudness_lufs"] + record.gain_db
        peak = record.features["true_peak_dbtp"] + record.gain_db
        assert reached == pytest.approx(-14, abs=0.1) or peak == pytest.approx(-1, abs=0.01)


@pytest.mark.slow
def test_copies_are_told_and_stand_on_one_side(tmp_path: Path) -> None:
    source = tmp_path / "music"
    for number in range(6):
        write(source / f"song {number}.wav", tune(number, 12.0))
    write(source / "again.mp3", 0.5 * tune(2, 12.0))
    (source / "same bytes.wav").write_bytes((source / "song 4.wav").read_bytes())
    records = prepare(source, tmp_path / "set", steps=real_stages())
    told = report(tmp_path / "set")
    assert "near_duplicate" in told["song 2.wav"], "the second of the two, by name"
    assert told["song 4.wav"] == ["duplicate"] or told["same bytes.wav"] == ["duplicate"]
    side = {record.source: record.split for record in records}
    group = {record.source: record.group for record in records}
    assert side["again.mp3"] == side["song 2.wav"]
    assert group["again.mp3"] == group["song 2.wav"]
    assert len(set(side.values())) == 3


class KillsItself(Level):
    """Ends its process while the second block of a file named `dies` is being written."""

    def open(self, notes):  # type: ignore[no-untyped-def]
        tap = super().open(notes)
        if "dies" in notes.source.name:
            push, seen = tap.push, []

            def pushed(block: np.ndarray) -> np.ndarray:
                seen.append(block)
                if len(seen) == 2:
                    os.kill(os.getpid(), 9)
                return push(block)

            tap.push = pushed  # type: ignore[method-assign]
        return tap


@pytest.mark.slow
def test_a_worker_killed_while_it_writes_leaves_no_half_file(tmp_path: Path) -> None:
    source = songs(tmp_path / "music", 3)
    clean = prepare(source, tmp_path / "clean", steps=stages(level=KillsItself()))
    write_sound(source / "dies.wav", 4.0, 777.0)
    pool = Local(workers=1, memory_gb=None, timeout_seconds=60.0)
    records = prepare(source, tmp_path / "set", steps=stages(level=KillsItself()), executor=pool)
    assert [record.id for record in records] == [record.id for record in clean]
    assert report(tmp_path / "set") == {"dies.wav": ["worker_crash"]}
    assert sounds(tmp_path / "set") == sounds(tmp_path / "clean")
    assert not list((tmp_path / "set").rglob(".*.draft*"))
    assert verify(tmp_path / "set") == {}


LIMITED = """
import re, resource, sys
from pathlib import Path
from disco.audio.faults import BadAudio
from disco.audio.stream import AudioStream
import numpy as np
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024
before = peak()
for path in sys.argv[1:]:
    try:
        with AudioStream(Path(path)) as stream:
            print(Path(path).name, sum(block.shape[1] for block in stream))
    except BadAudio as error:
        print(Path(path).name, error.code)
    print("grown", peak() - before)
"""


@pytest.mark.slow
def test_what_a_header_claims_takes_no_memory_and_no_time(tmp_path: Path) -> None:
    good, mp3 = write(tmp_path / "good.wav", tune(0, 2.0)), write(tmp_path / "good.mp3", tune(0, 2.0))
    claims = {
        "gb.wav": (header(good, 40, b"\xf0\xff\xff\xff"), "truncated"),
        "channels.wav": (header(good, 22, b"\xff\xff"), "odd_channels"),
        "align.wav": (header(good, 32, b"\0\0"), "unreadable"),
        "rate.wav": (header(good, 24, b"\xff\xff\xff\xff"), "odd_rate"),
        "chunk.wav": (good[:12] + b"LIST\xff\xff\xff\x7f" + good[12:], "truncated"),
        "flac.flac": (b"fLaC\x80\xff\xff\xff" + bytes(200), "unreadable"),
        "aiff.aiff": (b"FORM\xff\xff\xff\xffAIFFCOMM\xff\xff\xff\xff" + bytes(200), "unreadable"),
        "ogg.ogg": (b"OggS" + b"\xff" * 300, "truncated"),
        "junk.mp3": (b"\x55" * 1_000_000 + mp3, "unreadable"),
    }
    for name, (data, _) in claims.items():
        (tmp_path / name).write_bytes(data)
    with (tmp_path / "picture.mp3").open("wb") as file:  # 200 MB that are a hole
        length = bytes(200_000_000 >> shift & 127 for shift in (21, 14, 7, 0))
        file.write(b"ID3\x03\0\0" + length)
        file.seek(10 + 200_000_000)
        file.write(mp3)
    paths = [str(tmp_path / name) for name in (*claims, "picture.mp3")]
    ran = subprocess.run(
        [sys.executable, "-c", LIMITED, *paths], cwd=ROOT, capture_output=True, text=True, timeout=60,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}, check=True,
    )  # fmt: skip
    lines = [line.rsplit(" ", 1) for line in ran.stdout.splitlines()]
    told = dict(pair for pair in lines if pair[0] != "grown")
    assert int(told.pop("picture.mp3")) == pytest.approx(len(tune(0, 2.0)), abs=3000)
    assert told == {name: code for name, (_, code) in claims.items()}
    assert max(int(pair[1]) for pair in lines if pair[0] == "grown") < 80, (
        "megabytes, of which numba takes 60"
    )
