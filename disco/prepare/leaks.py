"""Finds what stands on two sides of a split, by whoever made it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from disco.core.record import Record
from disco.prepare.ties import by_tie, duplicates


@dataclass(frozen=True)
class Leak:
    """Pieces of several splits that share something.

    Attributes:
        kind: `artist`, `album`, `group`, `file`, or `recording` for two that sound the same.
        name: of what they share; empty for a recording.
        sides: their ids, by split.
    """

    kind: str
    name: str
    sides: Mapping[str, Sequence[str]]

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Yield every two ids that should not be apart."""
        for one, other in combinations(self.sides.values(), 2):
            yield from ((a, b) for a in one for b in other)

    def told(self, names: Mapping[str, str]) -> str:
        """Say what is shared by what; `names` are those that people know, by id."""
        words = []
        for split, ids in self.sides.items():
            known = list(dict.fromkeys(names.get(one, one) for one in ids))
            more = f" and {len(known) - 3} more" if len(known) > 3 else ""
            words.append(f"{split}: {', '.join(known[:3])}{more}")
        what = "the same recording" if self.kind == "recording" else f"{self.kind} {self.name!r}"
        return f"{what} in {'; '.join(words)}"

    def __str__(self) -> str:
        return self.told({})


def find_leaks(records: Sequence[Record], prints: Mapping[str, np.ndarray]) -> list[Leak]:
    """Return what artist, album, group, file or recording stands on more than one side.

    Args:
        records: those without a split are on no side.
        prints: fingerprints by record id; empty where there are none.
    """
    placed = [record for record in records if record.split]
    leaks = [
        Leak(kind, name, _sides(found))
        for (kind, name), found in by_tie(placed)
        if len({record.split for record in found}) > 1
    ]
    by_id = {record.id: record for record in placed}
    for one, other in sorted(tuple(sorted(pair)) for pair in duplicates(prints)):
        pair = [by_id[id_] for id_ in (one, other) if id_ in by_id]
        if len({record.split for record in pair}) > 1:
            leaks.append(Leak("recording", "", _sides(pair)))
    return leaks


def _sides(records: Sequence[Record]) -> dict[str, list[str]]:
    sides: dict[str, list[str]] = {}
    for record in sorted(records, key=lambda one: (str(one.split), one.id)):
        sides.setdefault(str(record.split), []).append(record.id)
    return sides
