"""Many pieces of work, each apart from the others, on one machine or on many."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Failed:
    """Work that took its worker down: it crashed, ran out of memory or did not end."""

    code: Literal["worker_crash", "worker_oom", "worker_timeout"]
    reason: str


class Executor(ABC):
    """Runs one function over many items; a worker that dies costs its item and nothing else."""

    @abstractmethod
    def run(self, work: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[tuple[int, Any | Failed]]:
        """Yield each item's index and what `work` returned for it, in the order of completion.

        `work` and the items are pickled; `work` must not raise for a fault of its item, but return it.
        An item whose worker dies is tried once more before it is `Failed`.
        """
