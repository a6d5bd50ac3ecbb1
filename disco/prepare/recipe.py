"""What the result of a file depends on besides its bytes, as a short text that changes when it does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

import soundfile

from disco.core.stage import Stage

ENGINE = 2  # raise it when the engine stores something else for the same notes
LIBRARIES = ("soundfile", "soxr", "numpy", "scipy")


@dataclass(frozen=True)
class Recipe:
    """How files are prepared.

    The *pass* is every stage up to the last that watches the sound; the *tail* is what comes after it and
    reads only notes, so that it can be done again without the sound.

    Attributes:
        passed, tail: digests of the two.
        turn: how many stages belong to the pass.
    """

    passed: str
    tail: str
    turn: int

    def serves(self, line: Mapping[str, Any]) -> bool:
        """Tell whether a finished line spares the pass: the tail must fit too where nothing was kept."""
        return line["passed"] == self.passed and (line["tail"] == self.tail or "pass" in line)


def recipe(stages: Mapping[str, Stage], *, materialise: bool) -> Recipe:
    """Describe these stages in this order; pieces that are stored as files belong to the pass."""
    steps = list(stages.values())
    watching = [place for place, stage in enumerate(steps) if type(stage).open is not Stage.open]
    turn = len(steps) if materialise else watching[-1] + 1 if watching else 0
    described = [describe(stage) for stage in steps]
    return Recipe(_digest([described[:turn], materialise, versions()]), _digest(described[turn:]), turn)


def describe(stage: Stage) -> list[Any]:
    """Return a stage's name, revision and public settings."""
    kind = type(stage)
    settings = {name: value for name, value in vars(stage).items() if not name.startswith("_")}
    return [f"{kind.__module__}.{kind.__qualname__}", kind.revision, settings]


@cache
def versions() -> dict[str, Any]:
    """Return what of this machine's software the sound depends on."""
    found: dict[str, Any] = {name: version(name) for name in LIBRARIES}
    return {"engine": ENGINE, "libsndfile": soundfile.__libsndfile_version__, **found}


def _digest(thing: Any) -> str:
    text = json.dumps(thing, sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(thing: Any) -> Any:
    if hasattr(thing, "__dict__"):
        return [type(thing).__qualname__, vars(thing)]
    return list(thing) if isinstance(thing, (set, frozenset, tuple)) else str(thing)
