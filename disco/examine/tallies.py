"""Hours by genre, artist, key, tempo and instrument, how evenly they are spread, and what is known at all."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from disco.core.record import Record

TEMPO_BIN = 20  # beats per minute


@dataclass(frozen=True)
class Tally:
    """How the music is spread over the values of one field.

    Attributes:
        hours: by value, most first; pieces with several values count in equal parts.
        pieces: how many have the value.
        unknown_hours: of pieces that say nothing.
    """

    field: str
    hours: Mapping[str, float]
    pieces: Mapping[str, int]
    unknown_hours: float

    @property
    def entropy_bits(self) -> float:
        """Shannon entropy of the shares of the values."""
        return entropy(self.hours.values()) / math.log(2)

    @property
    def effective(self) -> float:
        """How many values there would be if all were equally common: e to the entropy."""
        return math.exp(entropy(self.hours.values())) if self.hours else 0.0


def entropy(amounts: Iterable[float]) -> float:
    """Return the Shannon entropy of amounts, in nats."""
    kept = [amount for amount in amounts if amount > 0]
    whole = sum(kept)
    return max(0.0, -sum(a / whole * math.log(a / whole) for a in kept))


def tempo_bin(bpm: float | None) -> list[str]:
    """Return the name of a tempo's bin: 120-139."""
    if bpm is None:
        return []
    low = int(bpm // TEMPO_BIN) * TEMPO_BIN
    return [f"{low}-{low + TEMPO_BIN - 1}"]


def _one(value: str | None) -> list[str]:
    return [value] if value else []


FIELDS: Mapping[str, Callable[[Record], Sequence[str]]] = {
    "genre": lambda record: record.genre,
    "instruments": lambda record: record.instruments,
    "artist": lambda record: _one(record.artist),
    "key": lambda record: _one(record.key),
    "tempo": lambda record: tempo_bin(record.tempo),
    "mood": lambda record: record.mood,
    "source": lambda record: _one(record.source if record.source and "." not in record.source[-6:] else None),
    "licence": lambda record: _one(record.licence),
}


def tallies(records: Sequence[Record]) -> list[Tally]:
    """Return the tally of every field."""
    return [_tally(records, name, values) for name, values in FIELDS.items()]


def _tally(records: Sequence[Record], name: str, values: Callable[[Record], Sequence[str]]) -> Tally:
    hours: dict[str, float] = {}
    pieces: dict[str, int] = {}
    unknown = 0.0
    for record in records:
        said = list(dict.fromkeys(values(record)))
        if not said:
            unknown += record.duration / 3600
        for value in said:
            hours[value] = hours.get(value, 0.0) + record.duration / 3600 / len(said)
            pieces[value] = pieces.get(value, 0) + 1
    order = sorted(hours, key=lambda value: (-hours[value], value))
    return Tally(name, {v: hours[v] for v in order}, {v: pieces[v] for v in order}, unknown)


COVERED = (
    "caption", "genre", "instruments", "mood", "tempo", "key", "metre", "artist", "album", "title", "year",
    "licence",
)  # fmt: skip
UNSAID = "not said by whom"


@dataclass(frozen=True)
class Coverage:
    """How many pieces say something in one field, and who says it."""

    field: str
    known: int
    pieces: int
    by: Mapping[str, int]

    @property
    def share(self) -> float:
        """Of the pieces."""
        return self.known / self.pieces if self.pieces else 0.0


def coverages(records: Sequence[Record]) -> list[Coverage]:
    """Return how far the fields that describe music are filled in."""
    found = []
    for name in COVERED:
        known = [record for record in records if getattr(record, name) not in (None, [], "")]
        by: dict[str, int] = {}
        for record in known:
            who = record.provenance.get(name, UNSAID)
            by[who] = by.get(who, 0) + 1
        found.append(Coverage(name, len(known), len(records), dict(sorted(by.items(), key=lambda p: -p[1]))))
    return found
