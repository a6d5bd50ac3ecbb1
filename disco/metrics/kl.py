"""What the sound and the music are made of, against real music: energy per band, tags of a listener."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from disco.core.embedder import Embedder
from disco.core.metric import Metric, Take
from disco.core.ranges import PositiveInt
from disco.metrics.divergence import Divergence
from disco.metrics.embedded import Heard


class Kl(Metric):
    """`Divergence` of two distributions: `kl/<bands>/…` over frequency bands, `kl/<tags>/…` over tags.

    * bands: mean share of energy per band. Level does not matter, colour alone does.
    * tags: mean likelihood of each tag, brought to sum to 1. Published KL divergences of music use another
      tagger and pair take by take: none compares with this, which is why its name says who tagged.

    Args:
        bands: gives each window its share of energy per band; None leaves them out.
        tags: gives each window its tags; None leaves them out.
        min_windows: with fewer on a side the metric refuses to answer.

    Raises:
        ValueError: both are left out.
    """

    needs = frozenset({"made", "reference"})
    deaf: ClassVar[Mapping[str, str]] = {
        "detune": "neither bands nor tags tell what is in tune",
    }

    def __init__(self, *, bands: Embedder | None, tags: Embedder | None, min_windows: PositiveInt) -> None:
        super().__init__()
        hearing = [embedder for embedder in (bands, tags) if embedder is not None]
        if not hearing:
            raise ValueError("kl compares bands or tags, and both are null")
        self.parts = [Divergence(embedder=embedder, min_windows=min_windows) for embedder in hearing]

    @property
    def higher_is_better(self) -> Mapping[str, bool | None]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Value name, with the embedder's, to which way is better."""
        return {name: way for part in self.parts for name, way in part.higher_is_better.items()}

    def update(self, made: Sequence[Take], reference: Sequence[Take] = ()) -> None:
        """Count further takes; the two sides are sets and need not be of one length."""
        for side, takes in (("made", made), ("reference", reference)):
            self.rows += [tuple(part.heard(side, take) for part in self.parts) for take in takes]

    def __len__(self) -> int:
        """Takes counted on the side of what was made."""
        return sum(row[0].side == "made" for row in self.rows)

    def measure(self, made: Take, reference: Take | None) -> tuple[Heard, ...]:
        """Hear one made take with every embedder."""
        return tuple(part.heard("made", made) for part in self.parts)

    def summarise(self, rows: Sequence[tuple[Heard, ...]]) -> dict[str, float]:
        """Compare the two sides by each distribution."""
        found: dict[str, float] = {}
        for index, part in enumerate(self.parts):
            found |= part.summarise([row[index] for row in rows])
        return found
