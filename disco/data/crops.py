"""Where a training example begins: crops of a record, on bar lines where bars are known."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import overload

import torch

from disco.core.batch import Conditions
from disco.core.contracts import seeded
from disco.core.given import Given
from disco.core.record import Record
from disco.errors import DiscoError

SHORTEST = 0.1  # seconds: less at the end of a record is not worth a crop
MOSTLY = 0.75  # of a crop: so much music passes for all of it


@dataclass(frozen=True)
class Crop:
    """`seconds` of a record from `start`, and what is given of them; the record may end before they do."""

    record: Record
    start: float
    seconds: float
    given: Mapping[str, Given | None] = field(default_factory=dict)


class CropPlan:
    """The crops of one split.

    Training draws a new start each epoch, as a function of (seed, epoch, index) alone; otherwise
    the crops are the same each time and begin on the bar lines nearest to lying end to end.

    Args:
        seconds: length of a crop.
        draw: training.
        whole: lie end to end exactly, up to the end of each record, wherever the bar lines are.
        most: keep at most this many fixed crops, spread evenly over the records.
    """

    def __init__(
        self,
        records: Sequence[Record],
        *,
        seconds: float,
        seed: int,
        draw: bool,
        whole: bool = False,
        most: int | None = None,
    ) -> None:
        self.seconds = seconds
        self.seed = seed
        self.draw = draw
        self.whole = whole
        tiles = [(record, tile) for record in records for tile in range(self._count(record.duration))]
        if most is not None and len(tiles) > most:
            tiles = [tiles[i * len(tiles) // most] for i in range(most)]
        self.tiles = tiles

    def __len__(self) -> int:
        return len(self.tiles)

    def _count(self, duration: float) -> int:
        """Return the crops of a record: as many as it has room for, the last one to three quarters."""
        if self.whole:
            return max(1, math.ceil((duration - SHORTEST) / self.seconds))
        return max(1, math.floor(duration / self.seconds + 1 - MOSTLY))

    def crop(self, epoch: int, index: int) -> Crop:
        """Return crop `index` of `epoch`."""
        record, tile = self.tiles[index]
        if self.whole:
            return Crop(record, tile * self.seconds, self.seconds)
        starts = bar_starts(record, self.seconds)
        if self.draw:
            pick = torch.randint(len(starts), (), generator=seeded(self.seed, epoch, index))
            return Crop(record, starts[int(pick)], self.seconds)
        return Crop(record, starts.nearest(tile * self.seconds), self.seconds)


def refuse_short(records: Sequence[Record], seconds: float) -> None:
    """Refuse to train on nothing but padding and beginnings: pieces of which none fills a crop.

    Raises:
        DiscoError: says how long the longest is.
    """
    longest = max((record.duration for record in records), default=math.inf)
    if longest < MOSTLY * seconds:
        count = (
            "the only training piece"
            if len(records) == 1
            else f"the longest of {len(records)} training pieces"
        )
        raise DiscoError(
            f"{count} has {longest:.2f} s, and the model learns from segments of {seconds:g} s",
            do=f"prepare longer music, or set model.seconds={math.floor(100 * longest) / 100:g}",
        )


@dataclass(frozen=True)
class Starts(Sequence[float]):
    """Times at equal distances, told when they are asked for: a long record has very many.

    Attributes:
        first, step: seconds.
        lines: how many there are.
        opening: the record's start comes before the first of them.
    """

    first: float
    step: float
    lines: int
    opening: bool

    def __len__(self) -> int:
        return self.opening + self.lines

    @overload
    def __getitem__(self, index: int) -> float: ...

    @overload
    def __getitem__(self, index: slice) -> list[float]: ...

    def __getitem__(self, index: int | slice) -> float | list[float]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = range(len(self))[index] - self.opening
        return 0.0 if place < 0 else self.first + place * self.step

    def nearest(self, second: float) -> float:
        """Return the time that is nearest, the earlier of two."""
        after = bisect_left(self, second)
        near = self[max(0, after - 1) : after + 1]
        return min(near, key=lambda start: abs(start - second))


def bar_starts(record: Record, seconds: float) -> Starts:
    """Return where a crop may begin: at the record's start and on bar lines, or on a 0.1 s grid.

    The last start leaves at least three quarters of a crop of music where the record is long enough.
    """
    last = max(0.0, record.duration - MOSTLY * seconds)
    bar = record.beats_per_bar
    if bar is None or record.tempo is None:
        return Starts(0.0, 0.1, int(last / 0.1) + 1, opening=False)
    beat_seconds = 60.0 / record.tempo
    first = (record.pickup_beats % bar) * beat_seconds
    count = max(0, int((last - first) / (bar * beat_seconds) + 1e-6) + 1)
    return Starts(first, bar * beat_seconds, count, opening=count == 0 or first != 0.0)


def conditions_of(crops: Sequence[Crop]) -> Conditions:
    """Return what is known of each crop, from its record's metadata."""
    records = [crop.record for crop in crops]
    return Conditions(
        text=tuple(record.caption for record in records),
        tags={
            "rhythm": tuple(record.genre[0] if record.genre else None for record in records),
            "key": tuple(record.key for record in records),
            "metre": tuple(record.metre for record in records),
            "instrument": tuple(record.instruments[0] if record.instruments else None for record in records),
        },
        timing=torch.tensor([_timing(crop) for crop in crops]),
        given={
            name: tuple(crop.given.get(name) for crop in crops)
            for name in sorted({name for crop in crops for name in crop.given})
        },
    )


def _timing(crop: Crop) -> tuple[float, float, float]:
    record = crop.record
    bar = record.beats_per_bar
    if bar is None or record.tempo is None:
        return (math.nan, math.nan, math.nan)
    return record.tempo, bar, (crop.start * record.tempo / 60.0 - record.pickup_beats) % bar
