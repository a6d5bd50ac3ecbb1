"""Whether there is music enough for what is planned: the guide's amounts for its three ways to train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from disco.core.record import Record
from disco.examine.tallies import Tally

# Guide, "Training Strategies": 50+ hours, 1-10 hours, 30+ minutes.
FLOORS: Mapping[str, float] = {"full": 50.0, "finetune": 1.0, "peft": 0.5}
WAYS: Mapping[str, str] = {
    "full": "training from scratch",
    "finetune": "fine-tuning",
    "peft": "adapters",
}


@dataclass(frozen=True)
class Budget:
    """The hours there are and the hours that are asked for.

    Attributes:
        hours: of the training split.
        thin: genres with less than the floor, with their hours; where genres are known.
    """

    regime: str
    hours: float
    floor: float
    thin: Mapping[str, float]

    @property
    def enough(self) -> bool:
        """Whether the training split reaches the floor."""
        return self.hours >= self.floor


def budget(records: Sequence[Record], genres: Tally, regime: str) -> Budget:
    """Hold the training split against one of the guide's three ways.

    Args:
        records: of all splits.
        genres: of the training split.
        regime: `full`, `finetune` or `peft`.
    """
    hours = sum(record.duration for record in records if record.split == "train") / 3600
    floor = FLOORS[regime]
    thin = {name: amount for name, amount in genres.hours.items() if amount < floor}
    return Budget(regime, hours, floor, thin)


def floors_in_words(hours: float) -> str:
    """Say for which of the guide's three ways the hours are enough, and what each asks for."""
    enough = [f"{WAYS[name]} ({amount(floor)})" for name, floor in FLOORS.items() if hours >= floor]
    short = [f"{WAYS[name]} ({amount(floor)})" for name, floor in FLOORS.items() if hours < floor]
    told = [
        f"{words} for {' and '.join(ways)}"
        for words, ways in (("enough", enough), ("too little", short))
        if ways
    ]
    return ", ".join(told)


def amount(hours: float) -> str:
    """Write hours as people say them: 12.5 h, 42 min, 18 s."""
    if hours >= 1:
        return f"{hours:.1f} h".replace(".0 h", " h")
    if hours * 60 >= 1:
        return f"{hours * 60:.0f} min"
    return f"{hours * 3600:.0f} s"
