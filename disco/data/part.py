"""A part of the pieces, for a trial run: always the same ones, and a larger part holds the smaller."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

from disco.core.record import Record


def part_of(records: Sequence[Record], fraction: float, seed: int) -> list[Record]:
    """Return a share of the records in their order, at least one, drawn by a hash of their ids.

    Args:
        records: all of them.
        fraction: above 0, at most 1.
        seed: of the draw.
    """
    if fraction == 1:
        return list(records)

    def drawn(record: Record) -> str:
        return hashlib.sha256(f"{seed}/{record.id}".encode()).hexdigest()

    kept = {r.id for r in sorted(records, key=drawn)[: math.ceil(len(records) * fraction)]}
    return [record for record in records if record.id in kept]
