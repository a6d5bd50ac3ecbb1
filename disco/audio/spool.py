"""Room for long arrays on the disk, so that memory does not grow with a recording."""

from __future__ import annotations

import mmap
import os
import tempfile

import numpy as np
from numpy.typing import DTypeLike

IN_MEMORY = 1 << 23  # bytes: less stays in memory


def room(shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """Return an array to be filled; a large one lies in a file that has no name and vanishes with it.

    Raises:
        OSError: the folder for temporary files (TMPDIR) has no space for it.
    """
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if size <= IN_MEMORY:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile() as file:
        if hasattr(os, "posix_fallocate"):  # a full disk is told now, and not by a signal later
            os.posix_fallocate(file.fileno(), 0, size)
        return np.memmap(file, dtype, mode="w+", shape=shape)


def let_go(array: np.ndarray) -> None:
    """Take what was touched of an array out of memory, if it lies in a file; it is read again when needed."""
    mapped = getattr(array, "_mmap", None)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)
