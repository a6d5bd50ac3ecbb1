"""The frozen caption reader is loaded once for all models of these tests."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

from disco.conditioners.minilm import MiniLM


@pytest.fixture(autouse=True, scope="package")
def _one_caption_reader() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MiniLM, "_load", staticmethod(cache(MiniLM._load)))
        yield
