"""Which weights are worth keeping: the best of all, and the k best of the rounds so far."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from disco.core.files import link
from disco.core.header import read_header
from disco.errors import DiscoError

Save = Callable[[Path, dict[str, str]], None]


@dataclass(frozen=True, order=True)
class Kept:
    """One file of weights; the smaller the cost, the better, and of equals the earlier."""

    cost: float
    step: int
    path: Path


class Shelf:
    """`best.safetensors` and `top/step-*.safetensors` in a folder; each file says what it is worth.

    Args:
        folder: of the checkpoints.
        monitor: the measure whose values are given.
        mode: whether the lowest ("min") or the highest ("max") value is best.
        top_k: files in `top/`.
        limit: bytes that the whole folder may hold, or None.
    """

    def __init__(
        self, folder: Path, *, monitor: str, mode: Literal["min", "max"], top_k: int, limit: int | None
    ) -> None:
        self.folder = folder
        self.monitor = monitor
        self.sign = 1.0 if mode == "min" else -1.0
        self.top_k = top_k
        self.limit = limit
        self.best = math.inf
        self.top: list[Kept] = []

    def look(self) -> None:
        """Take up what an earlier part of the run has kept by the same measure."""
        found = [
            kept for path in sorted(self.folder.glob("top/step-*.safetensors")) for kept in self._read(path)
        ]
        self.top = sorted(found)[: self.top_k]
        self.best = min(
            (kept.cost for kept in self._read(self.folder / "best.safetensors")), default=math.inf
        )

    def clear(self) -> None:
        """Remove what another training has left in `top/`."""
        for path in self.folder.glob("top/step-*.safetensors"):
            path.unlink()

    def wants(self, value: float) -> bool:
        """Return whether weights of this value would be kept."""
        cost = self.sign * value
        worst = self.top[-1].cost if len(self.top) >= self.top_k and self.top else math.inf
        return cost < self.best or (self.top_k > 0 and cost < worst)

    def put(self, step: int, value: float, save: Save) -> None:
        """Keep weights that are wanted; the worst of `top/` makes room."""
        cost = self.sign * value
        facts = {"monitor": self.monitor, "value": repr(value), "step": str(step)}
        best = self.folder / "best.safetensors"
        if self.top_k == 0:
            save(best, facts)
        else:
            kept = Kept(cost, step, self.folder / "top" / f"step-{step:07d}.safetensors")
            save(kept.path, facts)
            self.top = sorted([kept, *(other for other in self.top if other.step != step)])
            while len(self.top) > self.top_k:
                self._drop(self.top[-1])
            if cost < self.best:
                link(kept.path, best)
        self.best = min(self.best, cost)

    def trim(self) -> None:
        """Drop the worst of `top/` while the folder holds too much; the best stays."""
        while len(self.top) > 1 and not self.has_room(0):
            self._drop(self.top[-1])

    def has_room(self, size: int) -> bool:
        """Return whether `size` more bytes are within the limit."""
        return self.limit is None or size_of(self.folder) + size <= self.limit

    def _drop(self, kept: Kept) -> None:
        self.top.remove(kept)
        kept.path.unlink(missing_ok=True)

    def _read(self, path: Path) -> Iterator[Kept]:
        try:
            facts = read_header(path).facts
        except (DiscoError, FileNotFoundError):  # what is damaged does not compete
            return
        if facts.get("monitor") == self.monitor:
            yield Kept(self.sign * float(facts["value"]), int(facts["step"]), path)


def size_of(folder: Path) -> int:
    """Return the bytes under a folder; a file with two names counts once."""
    files = [path.stat() for path in folder.rglob("*") if path.is_file()]
    return sum({file.st_ino: file.st_size for file in files}.values())
