"""The checks of annotations that run with the tests."""

from __future__ import annotations

import random

import pytest

from disco.core.chance import of_this_process


def test_they_check_lists_and_leave_the_global_random_numbers_alone() -> None:
    before = random.getstate()
    assert of_this_process([{"a": 1}]) == {"a": 1}
    with pytest.raises(Exception, match="states"):
        of_this_process(["no mapping"])  # pyright: ignore[reportArgumentType]
    assert random.getstate() == before
