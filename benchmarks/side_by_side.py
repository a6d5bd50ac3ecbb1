"""How two ways of doing one job are compared: interleaved, CPU seconds, the least of several rounds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

ROUNDS = 4


@dataclass(frozen=True, kw_only=True)
class Contest:
    """One job done twice; the relative difference of the answers must stay below `tolerance`.

    Attributes:
        setup: makes a job's argument anew, outside the time that is taken; without it a job takes none.
    """

    name: str
    ours: Callable[..., float]
    theirs: Callable[..., float]
    peer: str
    tolerance: float
    setup: Callable[[], Any] | None = None

    def given(self) -> tuple[Any, ...]:
        """Return a job's arguments."""
        return () if self.setup is None else (self.setup(),)


def run(contest: Contest) -> str:
    """Return a line with the ratio of CPU seconds, after a warm-up round.

    Raises:
        ValueError: the answers differ, so that the ratio means nothing.
    """
    mine, other = contest.ours(*contest.given()), contest.theirs(*contest.given())
    if abs(mine - other) > contest.tolerance * abs(other):
        raise ValueError(f"{contest.name}: {mine} and {other} are not the same answer")
    walls: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(ROUNDS):
        for name, job in (("ours", contest.ours), ("theirs", contest.theirs)):
            given = contest.given()
            begun = time.process_time()
            job(*given)
            walls[name].append(time.process_time() - begun)
    ours, theirs = min(walls["ours"]), min(walls["theirs"])
    return (
        f"{contest.name}: {ours * 1e3:.1f} ms, {contest.peer} {theirs * 1e3:.1f} ms, "
        f"ratio {theirs / ours:.1f}, answers {mine:.9g} and {other:.9g}"
    )
