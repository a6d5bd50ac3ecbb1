"""Names with lengths in quarter notes, as somebody types them: "C:4 G:4 Am:2 F:2"."""

from __future__ import annotations

import math

from disco.core.given import Labels
from disco.errors import DiscoError

USUAL = 4.0  # quarter notes where none are said


def parse_timeline(words: str, *, tempo_bpm: float, what: str) -> Labels:
    """Return names that hold one after the other.

    Args:
        words: each name with a colon and its length, apart by blanks or commas.
        tempo_bpm: quarter notes per minute.
        what: is named in the error.

    Raises:
        DiscoError: nothing is said, or a length is no number above 0.
    """
    named = []
    for word in words.replace(",", " ").split():
        name, _, length = word.rpartition(":")
        if not name:
            name, length = word, str(USUAL)
        quarters = _number(length)
        if not (math.isfinite(quarters) and quarters > 0):
            raise DiscoError(f"{what}: '{word}' has no length", do="write it like C:4, in quarter notes")
        named.append((name, quarters * 60.0 / tempo_bpm))
    if not named:
        raise DiscoError(f"{what} says nothing", do=f'write it like {what}="C:4 G:4", in quarter notes')
    return Labels.in_turn(named)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
