"""Places for adapters that are no layer of their own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rows:
    """Rows of one weight that several projections share, as query, key and value often do.

    Attributes:
        pattern: regex over the names of parameters.
        part: which of the equal parts the rows are, from 0; of: how many parts there are.
    """

    pattern: str
    part: int
    of: int


Site = str | Rows  # a string is a regex over the names of submodules
