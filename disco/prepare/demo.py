"""The demo corpus, rendered ahead of training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from disco.core.ranges import PositiveFloat, PositiveInt
from disco.core.record import Record, read_manifest
from disco.corpus.render import build_demo


class Demo:
    """Renders what `data=demo` would render on first use.

    Args:
        target: the folder that it is rendered into.
        hours: how much sound; None for all of it, over ten hours.
        rate: Hz; channels: 1 or 2.
        max_seconds: longer pieces end at the last bar line that fits; None keeps them whole.
        seed: draws instruments, captions and the order of pieces.
    """

    def __init__(
        self,
        *,
        target: str,
        hours: PositiveFloat | None,
        rate: PositiveInt,
        channels: PositiveInt,
        max_seconds: PositiveFloat | None,
        seed: int,
    ) -> None:
        self.target = Path(target)
        self.hours = hours
        self.rate = rate
        self.channels = channels
        self.max_seconds = max_seconds
        self.seed = seed

    def run(self, report: Callable[[int, int], None]) -> list[Record]:
        """Render what is missing; `report` hears how many clips of how many are done."""
        done = build_demo(
            self.target,
            hours=self.hours,
            seed=self.seed,
            rate=self.rate,
            channels=self.channels,
            max_seconds=self.max_seconds,
            on_progress=report,
        )
        return read_manifest(done.manifest)
