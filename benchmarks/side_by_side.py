"""How two ways of doing one job are compared: interleaved, CPU seconds, the median of several rounds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

ROUNDS = 5


@dataclass(frozen=True, kw_only=True)
class Contest:
    """One job done twice; the relative difference of the answers must stay below `tolerance`.

    Attributes:
        setup: makes a job's argument anew, outside the time that is taken; without it a job takes none.
        rounds: how often both are timed; the median counts.
        target: the ratio that is asked for.
    """

    name: str
    ours: Callable[..., float]
    theirs: Callable[..., float]
    peer: str
    tolerance: float
    setup: Callable[[], Any] | None = None
    rounds: int = ROUNDS
    target: float | None = None

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
    taken: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(contest.rounds):
        for name, job in (("ours", contest.ours), ("theirs", contest.theirs)):
            given = contest.given()
            begun = time.process_time()
            job(*given)
            taken[name].append(time.process_time() - begun)
    ours, theirs = median(taken["ours"]), median(taken["theirs"])
    ratio = median(other / own for own, other in zip(taken["ours"], taken["theirs"], strict=True))
    return (
        f"{contest.name}: {ours * 1e3:.1f} ms, {contest.peer} {theirs * 1e3:.1f} ms, "
        f"ratio {ratio:.2f}{verdict(ratio, contest.target)}, answers {mine:.9g} and {other:.9g}"
    )


def verdict(ratio: float, target: float | None) -> str:
    """Say whether a ratio is what was asked for."""
    if target is None:
        return ""
    return f" (asked for {target:g}: {'met' if ratio >= target else 'MISSED'})"
