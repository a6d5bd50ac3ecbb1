"""Long arrays lie on the disk under no name, keep what is in them, and leave memory when they may."""

from __future__ import annotations

import re
import resource
import signal
import tempfile
from pathlib import Path

import numpy as np
import pytest

from disco.audio.spool import IN_MEMORY, let_go, room

ROWS = 4 * IN_MEMORY // (4 * 128)  # of 128 float32: four times what stays in memory


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def resident(array: np.ndarray) -> int:
    """How many bytes of an array's mapping are in memory, as the kernel counts them."""
    start = array.__array_interface__["data"][0]
    found = re.search(rf"(?ms)^{start:x}-.*?^Rss:\s+(\d+) kB", Path("/proc/self/smaps").read_text())
    assert found is not None
    return 1024 * int(found[1])


def test_little_stays_in_memory_and_much_lies_in_a_file_without_a_name(temporary: Path) -> None:
    small = room((10, 128), np.float32)
    assert not isinstance(small, np.memmap)
    large = room((ROWS, 128), np.float32)
    assert isinstance(large, np.memmap)
    assert (large.shape, large.dtype) == ((ROWS, 128), np.float32)
    assert str(temporary) in Path("/proc/self/maps").read_text()
    assert list(temporary.iterdir()) == [], "nothing is left, however this process ends"
    del large
    assert str(temporary) not in Path("/proc/self/maps").read_text()


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int16])
def test_what_was_let_go_is_read_again(temporary: Path, dtype: type) -> None:
    values = np.random.default_rng(0).integers(-2000, 2000, (4 * ROWS, 64)).astype(dtype)
    spooled = room(values.shape, dtype)
    spooled[:] = values
    before = resident(spooled)
    let_go(spooled)
    assert resident(spooled) < before / 4
    assert np.array_equal(spooled, values)
    let_go(spooled[100:])  # a part of it is of the same file
    assert np.array_equal(spooled[100:], values[100:])


def test_letting_go_of_what_is_in_memory_changes_nothing() -> None:
    values = np.arange(100.0)
    let_go(values)
    assert np.array_equal(values, np.arange(100.0))


def test_a_disk_without_space_says_so_before_anything_is_written(temporary: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (IN_MEMORY, limits[1]))
    try:
        with pytest.raises(OSError, match=r"File too large|No space"):
            room((ROWS, 128), np.float32)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert list(temporary.iterdir()) == []
    assert not [name for name in Path("/proc/self/fd").iterdir() if _leads_into(temporary, name)]


def _leads_into(folder: Path, descriptor: Path) -> bool:
    try:
        return str(folder) in str(descriptor.readlink())
    except OSError:
        return False
