"""What metrics over embeddings share: two sets of takes, each take as its windows' points."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from disco.core.embedder import Embedder, content
from disco.core.metric import Metric, Take
from disco.core.ranges import PositiveInt
from disco.errors import DiscoError


@dataclass(frozen=True, eq=False)
class Heard:
    """One take as points, and which side it stands on.

    Attributes:
        side: `made` or `reference`.
        key: a hash of its samples.
        points: one per window.
        seconds: its length.
    """

    side: str
    key: str
    points: Float[np.ndarray, "n d"]
    seconds: float


class Embedded(Metric):
    """A measure between two sets of takes, in the space of an embedder whose name it carries.

    A value `""` is called `<embedder>`, a value `low` `<embedder>/low`; evaluation puts the metric's own
    name before it: `fad/musicnn`, `fad/musicnn/low`.

    Args:
        embedder: turns takes into points.
        min_windows: with fewer on a side the metric refuses to answer.

    Attributes:
        better: value to True, False, or None, as in `higher_is_better`.
    """

    needs = frozenset({"made", "reference"})
    better: ClassVar[Mapping[str, bool | None]]

    def __init__(self, *, embedder: Embedder, min_windows: PositiveInt) -> None:
        super().__init__()
        self.embedder = embedder
        self.min_windows = max(2, min_windows)

    @property
    def higher_is_better(self) -> Mapping[str, bool | None]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Value name, with the embedder's, to which way is better."""
        return {self._called(name): way for name, way in self.better.items()}

    def update(self, made: Sequence[Take], reference: Sequence[Take] = ()) -> None:
        """Count further takes; the two sides are sets and need not be of one length."""
        self.rows += [self.heard("made", take) for take in made]
        self.rows += [self.heard("reference", take) for take in reference]

    def __len__(self) -> int:
        """Takes counted on the side of what was made."""
        return sum(row.side == "made" for row in self.rows)

    def measure(self, made: Take, reference: Take | None) -> Heard:
        """Embed one made take."""
        return self.heard("made", made)

    def heard(self, side: str, take: Take) -> Heard:
        """Embed one take of either side."""
        return Heard(side, content(take.sound), self.embedder.embed(take.sound), take.sound.seconds)

    def summarise(self, rows: Sequence[Heard]) -> dict[str, float]:
        """Compare the two sides, in an order that does not depend on how they came in."""
        sides = {
            side: sorted((row for row in rows if row.side == side), key=lambda row: row.key)
            for side in ("made", "reference")
        }
        for side in ("made", "reference"):
            if side in self.needs:
                self._refuse_few(side, sides[side])
        values = self.compare(sides["made"], sides["reference"])
        return {self._called(name): value for name, value in values.items()}

    @abstractmethod
    def compare(self, made: list[Heard], reference: list[Heard]) -> dict[str, float]:
        """Return every value of `better`; takes come sorted."""

    def _refuse_few(self, side: str, takes: list[Heard]) -> None:
        count = sum(len(take.points) for take in takes)
        if count < self.min_windows:
            raise DiscoError(
                f"{type(self).__name__} with {self.embedder.name} found {count} windows on the side of "
                f"'{side}', and fewer than {self.min_windows} mean little",
                do="give it more or longer takes, or set its min_windows lower and take it for a sketch",
            )

    def _called(self, name: str) -> str:
        return f"{self.embedder.name}/{name}" if name else self.embedder.name


def joined(takes: Sequence[Heard]) -> Float[np.ndarray, "n d"]:
    """Return the points of all takes, in double precision."""
    return np.concatenate([take.points for take in takes]).astype(np.float64)
