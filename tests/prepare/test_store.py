"""Curves on the disk are what numpy reads, with the same bytes for the same arrays, however long they are."""

from __future__ import annotations

import tempfile
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from disco.audio.spool import IN_MEMORY, room
from disco.errors import DiscoError
from disco.prepare import store
from disco.prepare.keep import checksum, read_curves, shrink
from disco.prepare.store import ROWS, write_curves
from tests.prepare.tiny import Cut, prepare, songs, stages, tree

ARRAYS = {
    "beats": np.arange(3.0),
    "chroma": np.random.default_rng(0).standard_normal((2 * ROWS + 7, 12)).astype(np.float32),
    "columns": np.asfortranarray(np.arange(60, dtype=np.int16).reshape(12, 5)),
    "fingerprint": np.arange(ROWS, dtype=np.uint32),
    "mel_db": np.linspace(-100, 0, 4 * ROWS).astype(np.float16).reshape(-1, 4),
    "nothing": np.zeros((0, 12), np.float32),
    "one": np.full(1, np.nan),
}


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / store.CURVES).mkdir(parents=True)
    return tmp_path


def written(target: Path, arrays: dict[str, np.ndarray], key: str = "k") -> bytes:
    write_curves(target, key, arrays)
    return (target / store.CURVES / f"{key}.npz").read_bytes()


def test_what_is_written_comes_back(target: Path) -> None:
    files = write_curves(target, "k", shrink(ARRAYS))
    path = target / store.CURVES / "k.npz"
    assert files == {f"{store.CURVES}/k.npz": checksum(path)}
    found = read_curves(path)
    assert list(found) == sorted(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array, equal_nan=array.dtype.kind == "f"), name
    with ZipFile(path) as file:
        assert file.testzip() is None
        assert {one.date_time for one in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_each_member_is_what_numpy_itself_would_write(target: Path, tmp_path: Path) -> None:
    path = target / store.CURVES / "k.npz"
    write_curves(target, "k", shrink(ARRAYS))
    for name, array in ARRAYS.items():
        np.save(tmp_path / "alone.npy", np.ascontiguousarray(array))
        with ZipFile(path) as file:
            assert file.read(f"{name}.npy") == (tmp_path / "alone.npy").read_bytes(), name


def test_equal_arrays_give_equal_bytes_from_memory_and_from_the_disk(
    target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    rows = IN_MEMORY // (4 * 12) + 5000
    plain = np.random.default_rng(1).standard_normal((rows, 12)).astype(np.float32)
    spooled = room(plain.shape, np.float32)
    assert isinstance(spooled, np.memmap)
    spooled[:] = plain
    assert written(target, {"chroma": plain}) == written(target, {"chroma": spooled}, "other")


def test_members_beyond_the_old_limit_of_zip_are_announced(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "ZIP64_LIMIT", 1000)
    written(target, ARRAYS)
    found = read_curves(target / store.CURVES / "k.npz")
    assert all(np.array_equal(found[name], ARRAYS[name], equal_nan=name == "one") for name in ARRAYS)


def test_a_disk_that_fails_in_the_middle_leaves_the_old_file(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = written(target, {"beats": np.arange(9.0)})

    def fails(out: object, array: np.ndarray) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "_save", fails)
    with pytest.raises(OSError, match="No space"):
        write_curves(target, "k", ARRAYS)
    assert (target / store.CURVES / "k.npz").read_bytes() == before
    assert [path.name for path in (target / store.CURVES).iterdir()] == ["k.npz"]


@pytest.mark.parametrize("place", [0.2, 0.5])
def test_a_flipped_bit_in_curves_is_a_sentence_with_the_file_and_is_mended(
    tmp_path: Path, place: float
) -> None:
    source, folder = songs(tmp_path / "music", 3), tmp_path / "set"
    prepare(source, folder)
    path = sorted((folder / store.CURVES).iterdir())[1]
    data = bytearray(path.read_bytes())
    data[round(place * len(data))] ^= 2
    path.write_bytes(data)
    longer = stages(cut=Cut(seconds=0.8))
    with pytest.raises(DiscoError, match=rf"{path.name} is damaged .*delete it"):
        prepare(source, folder, steps=longer)
    path.unlink()
    prepare(source, folder, steps=longer)
    prepare(source, tmp_path / "clean", steps=longer)
    assert {n: c for n, c in tree(folder).items() if n.startswith("audio/")} == {
        n: c for n, c in tree(tmp_path / "clean").items() if n.startswith("audio/")
    }
