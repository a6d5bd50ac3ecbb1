"""Everything in this process, one after another: for looking into a fault, and for tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from disco.core.executor import Executor, Failed


class Serial(Executor):
    """Runs the items in order; one that crashes takes the run down with it."""

    def run(self, work: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[tuple[int, Any | Failed]]:
        """Yield each result as it comes."""
        for index, item in enumerate(items):
            yield index, work(item)
