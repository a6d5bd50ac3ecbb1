"""Streams hand on what is in a file, whole and in order, and say what is wrong with it."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

from disco.audio.faults import BadAudio
from disco.audio.plain import PlainWav
from disco.audio.stream import AudioStream
from tests.audio.ogg import promising
from tests.audio.sounds import played, tunes


def tone(rate: int = 32000, seconds: float = 1.0, channels: int = 2, hz: float = 440.0) -> np.ndarray:
    time = np.arange(round(rate * seconds)) / rate
    return 0.5 * np.sin(2 * np.pi * hz * time)[:, None] * np.linspace(1.0, 0.5, channels)


def read(path: Path) -> np.ndarray:
    with AudioStream(path) as stream:
        return np.concatenate([block.T for block in stream])


def fault(path: Path) -> BadAudio:
    with pytest.raises(BadAudio) as caught:
        read(path)
    assert caught.value.do
    assert path.name not in caught.value.message
    return caught.value


@pytest.mark.parametrize(
    ("subtype", "step"),
    [("PCM_U8", 2**-7), ("PCM_16", 2**-15), ("PCM_24", 2**-23), ("PCM_32", 2**-23), ("FLOAT", 2**-23),
     ("DOUBLE", 2**-23), ("ALAW", 2**-5)],
)  # fmt: skip
def test_every_sample_format_gives_the_same_sound(tmp_path: Path, subtype: str, step: float) -> None:
    soundfile.write(tmp_path / "a.wav", tone(seconds=2.5), 32000, subtype=subtype)
    found = read(tmp_path / "a.wav")
    assert found.dtype == np.float32
    assert np.abs(found - tone(seconds=2.5)).max() <= step


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("kind", ["WAV", "WAVEX"])
def test_16_bits_are_read_as_libsndfile_reads_them(tmp_path: Path, channels: int, kind: str) -> None:
    with soundfile.SoundFile(tmp_path / "a.wav", "w", 8000, channels, subtype="PCM_16", format=kind) as file:
        file.title = "an odd"  # a chunk of odd length beside the sound
        file.write(np.random.default_rng(0).uniform(-1, 1, (20_001, channels)))
    with AudioStream(tmp_path / "a.wav") as stream:
        assert isinstance(stream._file, PlainWav) == (kind == "WAV")
        assert (stream.rate, stream.channels, stream.frames) == (8000, channels, 20_001)
        blocks = [block.T for block in stream]
    assert [len(block) for block in blocks] == [8000, 8000, 4001]
    assert np.array_equal(
        np.concatenate(blocks), soundfile.read(tmp_path / "a.wav", dtype="float32", always_2d=True)[0]
    )


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3", "aiff", "caf"])
def test_the_bytes_say_what_a_file_is_and_not_its_suffix(tmp_path: Path, kind: str) -> None:
    honest, renamed = tmp_path / f"a.{kind}", tmp_path / ("b.mp3" if kind != "mp3" else "b.wav")
    soundfile.write(honest, tone(44100), 44100)
    renamed.write_bytes(honest.read_bytes())
    with AudioStream(renamed) as stream:
        assert (stream.kind, stream.rate, stream.channels) == (kind, 44100, 2)
        found = np.concatenate([block.T for block in stream])
        assert not stream.doubts
    assert np.array_equal(found, soundfile.read(honest, dtype="float32")[0])


def test_blocks_are_about_a_second_and_interleaved(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(seconds=2.5), 32000)
    with AudioStream(tmp_path / "a.wav") as stream:
        blocks = list(stream)
    assert [block.shape for block in blocks] == [(2, 32000), (2, 32000), (2, 16000)]
    assert all(block.T.flags.c_contiguous for block in blocks)


def test_a_vorbis_file_has_its_channels_in_the_order_of_wav(tmp_path: Path) -> None:
    # As coded in Vorbis: left, centre, right, left and right surround, low-frequency effects.
    coded = tone(seconds=1.0, channels=1) * [0.1, 0.5, 0.2, 0.3, 0.4, 0.05]
    soundfile.write(tmp_path / "a.ogg", coded, 32000)
    levels = np.abs(read(tmp_path / "a.ogg")[4000:-4000]).max(0) / 0.5
    assert levels == pytest.approx([0.1, 0.2, 0.5, 0.05, 0.3, 0.4], abs=0.03)


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3"])
def test_a_file_cut_to_a_third_is_truncated(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    soundfile.write(path, tone(44100, 4.0), 44100)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 3])
    assert fault(path).code == "truncated"


def test_an_ogg_that_lacks_a_blink_of_its_length_is_kept_with_a_warning(tmp_path: Path) -> None:
    """As a song of three minutes is found that stops 0.13 s before the end that its last page counts."""
    path = tmp_path / "a.ogg"
    music = played(tunes(1)[0].id, channels=2, seconds=12.0).T
    with soundfile.SoundFile(path, "w", 32000, 2, format="OGG") as file:
        for first in range(0, len(music), 8192):
            file.write(music[first : first + 8192])
    whole, frames = path.read_bytes(), len(music)
    assert promising(whole, 0) == whole
    assert np.array_equal(read(path), soundfile.read(path, dtype="float32")[0])
    path.write_bytes(promising(whole, 3000))  # of which the coder's last block holds up to 2,048
    with AudioStream(path) as stream:
        heard = sum(block.shape[1] for block in stream)
    assert frames <= heard < stream.frames == frames + 3000
    (doubt,) = stream.doubts
    assert (doubt.code, doubt.verdict) == ("truncated", "warn")
    assert f"{heard / 32000:.2f} of {stream.frames / 32000:.2f} s" in doubt.message
    path.write_bytes(promising(whole, frames // 20))
    assert fault(path).code == "truncated"


def test_a_flipped_bit_in_an_mp3_is_a_doubt(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    rng = np.random.default_rng(0)
    soundfile.write(path, 0.1 * rng.standard_normal((88200, 2)), 44100)
    whole = bytearray(path.read_bytes())
    for place in range(997, len(whole), 997):
        whole[place] ^= 0xFF
    path.write_bytes(whole)
    with AudioStream(path) as stream:
        for block in stream:
            assert np.isfinite(block).all()
        assert "damaged" in {doubt.code for doubt in stream.doubts}
        assert all(doubt.verdict == "warn" for doubt in stream.doubts)


def test_a_large_picture_before_an_mp3_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    soundfile.write(path, tone(44100), 44100)
    sound, size = path.read_bytes(), 5_000_000
    length = bytes(size >> shift & 127 for shift in (21, 14, 7, 0))
    picture = b"APIC" + struct.pack(">I", size - 10) + b"\0\0"
    path.write_bytes(b"ID3\x03\0\0" + length + picture.ljust(size, b"\1") + sound)
    with AudioStream(path) as stream:
        assert stream.kind == "mp3"
        assert sum(block.shape[1] for block in stream) == pytest.approx(44100, abs=2400)


def test_what_is_no_sound_is_refused_by_its_code(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "good.wav", tone(), 32000)
    good = (tmp_path / "good.wav").read_bytes()
    broken = {
        "none.wav": (b"", "empty"),
        "header.wav": (good[:30], "truncated"),
        "page.wav": (b"<!DOCTYPE html><html><body>404</body></html>" * 20, "unreadable"),
        "noise.mp3": (bytes(range(254)) * 400, "unreadable"),
        "junk.mp3": (b"\0" * 1_000_000 + good, "unreadable"),
        "no_samples.wav": (good[:40] + b"\0" * 4, "empty"),
        "claims_4_gb.wav": (good[:40] + b"\xf0\xff\xff\xff" + good[44:], "truncated"),
        "align_0.wav": (good[:32] + b"\0\0" + good[34:], "unreadable"),
        "65535_channels.wav": (good[:22] + b"\xff\xff" + good[24:], "odd_channels"),
        "1_hz.wav": (good[:24] + struct.pack("<I", 1) + good[28:], "odd_rate"),
        "cut.flac": (b"fLaC" + good[:20], "unreadable"),
    }
    for name, (data, code) in broken.items():
        (tmp_path / name).write_bytes(data)
        assert fault(tmp_path / name).code == code, name


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")  # opening it would wait for ever
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "link.wav").symlink_to(tmp_path / "nowhere")
    (tmp_path / "device.wav").symlink_to("/dev/zero")
    for name in ("pipe.wav", "folder.wav", "link.wav", "device.wav"):
        assert fault(tmp_path / name).code == "not_regular"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_sample_that_is_no_number_is_refused_with_its_index(tmp_path: Path, value: float) -> None:
    wave = tone(seconds=2.0)
    wave[40123, 1] = value
    soundfile.write(tmp_path / "a.wav", wave, 32000, subtype="FLOAT")
    found = fault(tmp_path / "a.wav")
    assert found.code == "non_finite"
    assert "40123" in found.message


@pytest.mark.parametrize(("amplitude", "subtype"), [(1e30, "FLOAT"), (1e300, "DOUBLE"), (2e6, "FLOAT")])
def test_an_absurd_amplitude_is_refused(tmp_path: Path, amplitude: float, subtype: str) -> None:
    soundfile.write(tmp_path / "a.wav", tone() * 2 * amplitude, 32000, subtype=subtype)
    assert fault(tmp_path / "a.wav").code == "absurd_level"
    soundfile.write(tmp_path / "b.wav", tone() * 8, 32000, subtype="FLOAT")  # merely too loud
    assert np.abs(read(tmp_path / "b.wav")).max() > 3.9


@pytest.mark.parametrize("rate", [8000, 11025, 192000, 384000])
def test_every_sane_rate_is_read(tmp_path: Path, rate: int) -> None:
    soundfile.write(tmp_path / "a.wav", tone(rate, 0.3), rate)
    assert len(read(tmp_path / "a.wav")) == round(0.3 * rate)


def test_a_wav_from_a_pipe_has_no_sizes_and_is_read_to_its_end(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(), 32000)
    data = bytearray((tmp_path / "a.wav").read_bytes())
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    (tmp_path / "a.wav").write_bytes(data)
    assert len(read(tmp_path / "a.wav")) == 32000


def test_mp4_audio_names_the_extra_that_reads_it(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"\0\0\0\x20ftypM4A \0\0\0\0" + b"\0" * 100)
    (tmp_path / "a.aac").write_bytes(2 * (b"\xff\xf1\x50\x80\x02\x1f\xfc" + b"\0" * 9))
    for name in ("a.wav", "a.aac"):
        with without("av"):
            found = fault(tmp_path / name)
        assert found.code == "missing_extra"
        assert "disco-musica[m4a]" in found.do


@contextmanager
def without(module: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, module, None)
        yield


@pytest.mark.parametrize(("name", "container"), [("a.m4a", "ipod"), ("a.aac", "adts")])
def test_aac_is_read_with_and_without_a_container(tmp_path: Path, name: str, container: str) -> None:
    av = pytest.importorskip("av")
    wave = tone(44100).T.astype(np.float32)
    with av.open(str(tmp_path / name), "w", format=container) as file:
        track = file.add_stream("aac", rate=44100)
        track.layout = "stereo"
        for first in range(0, 44100, 1024):
            block = np.ascontiguousarray(wave[:, first : first + 1024])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = 44100, first
            file.mux(track.encode(frame))
        file.mux(track.encode(None))
    found = read(tmp_path / name)
    assert abs(len(found) - 44100) < 3 * 1024, "but for the encoder's padding"
    assert np.sqrt((found[8000:30000] ** 2).mean(0)) == pytest.approx(np.sqrt((wave**2).mean(1)), rel=0.05)
