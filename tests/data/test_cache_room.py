"""Caches that grow leave no trail of older copies, and take nothing from whoever reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from disco.data.code_cache import CodeCache
from tests.data.folder import LevelCodec, record, write


def test_a_cache_that_grew_often_holds_two_arrays_at_most(tmp_path: Path) -> None:
    records = [record(f"p{n}", 1.0 + 0.1 * n) for n in range(6)]
    write(tmp_path, records)
    codec = LevelCodec()
    reader, before = None, None
    for count in range(1, 7):
        cache = CodeCache(tmp_path / "cache", codec)
        cache.fill(tmp_path, records[:count])
        if reader is None:
            reader = cache.open(tmp_path, records[:1])
            before = np.array(reader["p0"])
    assert len(list((tmp_path / "cache").glob("codes-*/codes-*.npy"))) == 2
    assert np.array_equal(reader["p0"], before), "what was opened can still be read"
    assert len(CodeCache(tmp_path / "cache", codec).open(tmp_path, records)) == 6
    assert codec.encoded == 6
