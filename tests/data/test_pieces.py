"""A piece sounds like its place in its file, with its gain and fades, whichever way it is read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from disco.audio.clip import Clip
from disco.audio.io import write_clip
from disco.core.record import Record
from disco.core.views import AudioView
from disco.data import pieces
from disco.data.code_cache import VERSION, CodeCache
from disco.data.pieces import read_piece
from disco.errors import DiscoError
from tests.data.folder import RATE, LevelCodec, ramp, record, serving, write

WHOLE = record("whole", 8.0)


def piece(name: str, start: float, seconds: float, **more: float) -> Record:
    return replace(record(name, seconds), file_path=WHOLE.file_path, start=start, **more)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, [WHOLE])
    return tmp_path


@pytest.mark.parametrize("rate", [RATE, RATE // 2])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_part_of_a_piece_lies_where_it_should(root: Path, rate: int, channels: int) -> None:
    one = piece("one", 2.0, 4.0, gain_db=-6.0206, fade_seconds=0.25)
    wave = read_piece(root, one, start=1.0, seconds=2.0, rate=rate, channels=channels)
    assert wave.shape == (channels, 2 * rate)
    wanted = 0.5 * 0.9 / 8.0 * (3.0 + torch.arange(2 * rate) / rate)
    assert (wave - wanted)[:, 50:-50].abs().max() < 2e-3
    whole = read_piece(root, one, start=0.0, seconds=9.0, rate=rate, channels=channels)
    assert whole.shape[1] == 4 * rate, "a piece ends where it ends, not where its file does"
    assert whole[0, 0].abs() < 1e-4
    assert whole[0, -1].abs() < 1e-4
    assert whole[0, rate // 4 + 50] == pytest.approx(0.5 * 0.9 / 8 * (2.25 + 50 / rate), abs=2e-3)


def test_the_map_and_the_decoder_agree(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = piece("one", 1.37, 3.1, gain_db=2.0, fade_seconds=0.1)
    mapped = read_piece(root, one, start=0.4, seconds=2.0, rate=RATE, channels=1)
    monkeypatch.setattr(pieces, "open_mapped", lambda path: None)
    assert torch.equal(read_piece(root, one, start=0.4, seconds=2.0, rate=RATE, channels=1), mapped)


def test_stereo_is_averaged_as_the_decoder_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wave = ramp(2.0).wave
    write_clip(tmp_path / "both.wav", Clip(torch.cat([wave, -0.5 * wave]), RATE))
    one = replace(record("both", 2.0), file_path="both.wav")
    mapped = read_piece(tmp_path, one, start=0.0, seconds=2.0, rate=RATE, channels=1)
    monkeypatch.setattr(pieces, "open_mapped", lambda path: None)
    decoded = read_piece(tmp_path, one, start=0.0, seconds=2.0, rate=RATE, channels=1)
    assert torch.allclose(mapped, decoded, atol=1e-7)


def test_crops_of_pieces_are_served(root: Path) -> None:
    from disco.core.record import write_manifest

    made = [piece("one", 0.0, 3.0), piece("two", 3.0, 5.0)]
    write_manifest(root / "metadata" / "manifest.jsonl", made)
    data = serving(root, AudioView(rate=RATE, channels=1, seconds=2.0), batch_size=8)
    (batch,) = data.survey()
    heard = torch.cat([row[0, :valid] for row, valid in zip(batch.wave, batch.valid, strict=True)])
    assert torch.allclose(heard, torch.linspace(0, 0.9, 8 * RATE), atol=1e-4), "the file, end to end"


def test_tokens_know_the_place_the_gain_and_the_fades(root: Path) -> None:
    codec = LevelCodec()
    cache = CodeCache(root / "cache", codec)
    one = piece("one", 4.0, 2.0)
    other = [piece("two", 5.0, 2.0), piece("three", 4.0, 2.5), replace(one, id="four", gain_db=-6.0)]
    assert cache.fill(root, [one]) == 1
    assert cache.fill(root, [replace(one, id="same place")]) == 0
    assert cache.fill(root, other) == 3
    codes = cache.open(root, [one, *other])
    assert codes["one"][-1, 0] == pytest.approx(6.0 / 8.0 * 0.9 * 63, abs=1)
    assert codes["four"][-1, 0] == pytest.approx(0.5 * 6.0 / 8.0 * 0.9 * 63, abs=1)


@pytest.mark.parametrize("what", ["version", "codec", "array gone", "no json"])
def test_a_cache_of_another_kind_is_made_anew(root: Path, what: str) -> None:
    codec = LevelCodec()
    cache = CodeCache(root / "cache", codec)
    cache.fill(root, [WHOLE])
    index = cache.folder / "index.json"
    if what == "array gone":
        next(cache.folder.glob("*.npy")).unlink()
    elif what == "no json":
        index.write_text(index.read_text()[:-5])
    else:
        index.write_text(
            index.read_text().replace(f'"version": {VERSION}' if what == "version" else "levels", '"x": 1')
        )
    assert CodeCache(root / "cache", codec).fill(root, [WHOLE]) == 1
    assert len(cache.open(root, [WHOLE])["whole"]) == 160


def test_a_flipped_bit_in_the_cache_is_never_trained_on(root: Path) -> None:
    cache = CodeCache(root / "cache", LevelCodec())
    made = [piece("one", 0.0, 4.0), piece("two", 4.0, 4.0)]
    cache.fill(root, made)
    array = next(cache.folder.glob("*.npy"))
    data = bytearray(array.read_bytes())
    data[-3] ^= 2
    array.write_bytes(data)
    codes = cache.open(root, made)
    assert len(codes["one"]) == 80
    with pytest.raises(DiscoError, match=r"the tokens of two in .*codes-levels.* are not what was written"):
        codes["two"]


def test_an_interrupted_filling_keeps_what_is_encoded_and_says_how_far_it_is(root: Path) -> None:
    made = [piece(str(place), float(place), 1.0) for place in range(8)]
    told: list[tuple[int, int, float]] = []

    def report(done: int, total: int, *, seconds: float = 0.0) -> None:
        told.append((done, total, seconds))
        if done == 3 and seconds:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        CodeCache(root / "cache", LevelCodec()).fill(root, made, report)
    assert told == [(0, 8, 0.0), (1, 8, 1.0), (2, 8, 2.0), (3, 8, 3.0)]
    cache = CodeCache(root / "cache", LevelCodec())
    assert cache.fill(root, made) == 5
    whole = CodeCache(root / "whole", LevelCodec())
    whole.fill(root, made)
    one, other = cache.open(root, made), whole.open(root, made)
    assert all((one[record.id] == other[record.id]).all() for record in made)


def test_a_long_filling_is_put_down_on_the_way(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("disco.data.code_cache.LEAST_SAVED", 1)
    made = [piece(str(place), float(place), 1.0) for place in range(8)]
    cache = CodeCache(root / "cache", LevelCodec())
    there: list[int] = []
    seen: set[str] = set()

    def look(*_: object, **__: object) -> None:
        seen.update(path.name for path in cache.folder.glob("codes-*.npy"))
        there.append(len(seen))

    cache.fill(root, made, look)
    assert there == [0, 0, 0, 1, 1, 2, 2, 2, 2], "after 2, 4 and 8 pieces"


def test_a_file_is_hashed_once_and_again_when_it_changed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from disco.data import code_cache

    hashed: list[Path] = []
    real = code_cache.file_hash
    monkeypatch.setattr(code_cache, "file_hash", lambda path: hashed.append(path) or real(path))
    codec = LevelCodec()
    made = [piece("one", 0.0, 4.0), piece("two", 4.0, 4.0)]
    cache = CodeCache(root / "cache", codec)
    cache.fill(root, made)
    cache.open(root, made)
    CodeCache(root / "cache", codec).fill(root, made)
    assert len(hashed) == 1, "not once per piece, and not again in the next run"
    write_clip(root / WHOLE.file_path, ramp(8.0, top=0.4))
    assert cache.fill(root, made) == 2
    (root / WHOLE.file_path).unlink()
    with pytest.raises(DiscoError, match="is gone"):
        cache.fill(root, made)
