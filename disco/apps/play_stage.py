"""The runs behind the page, opened once: a base, its adapters, and these by any strength."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from disco.apps.mixing import Mixture, Part, read_parts
from disco.apps.runs import Run, open_run

if TYPE_CHECKING:
    from disco.core.module import GenerativeModule


class Stage:
    """Who plays.

    Args:
        asked: a run, or adapters that are mixed, as `run=` of `scripts/generate.py`.
        device: to play on.

    Attributes:
        parts: the runs, their paths as seen from here.
        base: path of what the adapters were trained on; None where there are none.
        busy: held while somebody plays.
    """

    def __init__(self, asked: str, device: str) -> None:
        self.parts = [replace(part, run=Run(Path(nearby(part.run.folder)))) for part in read_parts(asked)]
        self.device = device
        found = self.parts[0].run.facts.get("base", {}).get("run")
        self.base = None if found is None else nearby(Path(found))
        self.busy = threading.Lock()
        self._opened: dict[str, GenerativeModule] = {}
        self._mixture: Mixture | None = None
        self.module = self.open(self.asked(1.0))

    @property
    def name(self) -> str:
        """What the run is called."""
        return " + ".join(part.run.folder.name or "run" for part in self.parts)

    @property
    def adapted(self) -> bool:
        """Whether there are adapters, whose strength can be set."""
        return self.base is not None

    def asked(self, strength: float) -> str:
        """Return `run=…` of the whole, its adapters so strong times what was asked for at the beginning."""
        parts = [Part(part.run, part.strength * strength) for part in self.parts]
        if len(parts) == 1 and (parts[0].strength == 1 or not self.adapted):
            return str(parts[0].run.folder)
        return " ".join(f"{part.run.folder}:{_plain(part.strength)}" for part in parts)

    def open(self, asked: str) -> GenerativeModule:
        """Return the model that `open_run` would return, without reading anything twice."""
        parts = read_parts(asked)
        if len(parts) == 1 and parts[0].strength == 1:
            if asked not in self._opened:
                self._opened[asked] = open_run(asked).to(self.device)
            return self._opened[asked]
        if self._mixture is None:
            self._mixture = Mixture([part.run for part in parts])
            self._mixture.module.eval().to(self.device)
        self._mixture.set([part.strength for part in parts])
        return self._mixture.module

    def tags(self) -> dict[str, Sequence[str]]:
        """Return the tags that the run knows, with their values."""
        from disco.conditioners.tags import Tags

        found: dict[str, Sequence[str]] = {}
        for part in self.module.modules():
            if isinstance(part, Tags):
                found |= {name: list(rows) for name, rows in part.index.items()}
        return found

    def knows(self, name: str) -> Any:
        """Return what the model says of itself under a name; None where it says nothing."""
        return getattr(self.module, name, None)


def nearby(path: Path) -> str:
    """Return a path as seen from the working folder, which says nothing of the machine."""
    return os.path.relpath(path)


def _plain(strength: float) -> str:
    """Write a strength as `read_parts` reads it: without an exponent."""
    return f"{strength:.6f}".rstrip("0").rstrip(".")
