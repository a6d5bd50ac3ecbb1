"""Numbers with a range, checked in a config before anything is built."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Annotated, Union, get_args, get_origin

from beartype.vale import Is

PositiveInt = Annotated[int, Is[lambda x: x > 0]]
NaturalInt = Annotated[int, Is[lambda x: x >= 0]]
PositiveFloat = Annotated[float, Is[lambda x: x > 0]]
NaturalFloat = Annotated[float, Is[lambda x: x >= 0]]
Share = Annotated[float, Is[lambda x: 0 <= x <= 1]]

_PHRASES = (
    (PositiveInt, "a whole number above 0"),
    (NaturalInt, "a whole number, 0 or more"),
    (PositiveFloat, "a number above 0"),
    (NaturalFloat, "a number, 0 or more"),
    (Share, "a number from 0 to 1"),
)


def phrase(hint: object) -> str:
    """Say in words what a type hint accepts."""
    for known, words in _PHRASES:
        if hint == known:
            return words
    inner = [part for part in get_args(hint) if part is not NoneType]
    if get_origin(hint) in (Union, UnionType) and len(inner) == 1:
        return f"{phrase(inner[0])}, or null"
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")
