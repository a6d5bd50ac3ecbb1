"""In which order systems stand by a measure, and where the order may be chance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

from disco.apps.scores import Cell, Found
from disco.apps.systems import REFERENCE
from disco.report.page import Grid

SURE, CHANCE, UNKNOWN = " → ", " ≈ ", " · "


def orders(found: Found) -> Iterator[Grid]:
    """Yield the order of the systems by every measure, where there are several beside the real music."""
    names = [name for name in found.systems if name != REFERENCE]
    measures = dict.fromkeys(measure for row in found.systems.values() for measure in row)
    rows = []
    for measure in measures:
        cells = {name: found.systems[name][measure] for name in names if measure in found.systems[name]}
        real = found.systems.get(REFERENCE, {}).get(measure)
        told = order_of(cells, real)
        if told is not None:
            rows.append([measure, *told])
    if rows and len(names) > 1:
        yield Grid(
            title="In order",
            columns=["measure", "the best first, or what is nearest to the real music", "which"],
            rows=rows,
            text="→ the intervals lie apart; ≈ they overlap, so that the order may be chance; · no interval "
            "is known. Each measure hears one side of music: look whether they agree.",
        )


def order_of(cells: Mapping[str, Cell], real: Cell | None) -> tuple[str, str] | None:
    """Return the systems in order, and by what; None where a measure gives no order of two or more.

    Where neither more nor less is better, the value of the real music is what all others are held against,
    if it is a mean over takes: a count or an extreme is like another by chance.
    """
    if len(cells) < 2:
        return None
    way = next(iter(cells.values())).higher_is_better
    if way is None and (real is None or real.low is None):
        return None

    def far(name: str) -> float:
        value = cells[name].value
        if way is None:
            assert real is not None
            return abs(value - real.value)
        return -value if way else value

    names = sorted(cells, key=far)
    if far(names[0]) == far(names[-1]):
        return None
    text = names[0]
    for before, name in pairwise(names):
        text += _between(cells[before], cells[name]) + name
    return text, "nearest" if way is None else "best"


def _between(one: Cell, other: Cell) -> str:
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return UNKNOWN
    return SURE if one.high < other.low or other.high < one.low else CHANCE
