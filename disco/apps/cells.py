"""From the rows of a metric to values, their intervals, and what each take contributes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from disco.apps.scores import Cell
from disco.core.metric import Metric
from disco.metrics.embedded import Embedded
from disco.metrics.fad import Fad
from disco.metrics.resampling import mean_interval, share_interval, summary_interval
from disco.metrics.training import Match

RESAMPLES = 2000
SLOW_RESAMPLES = 200  # of values that are more than a mean
CONFIDENCE = 0.95
ENDS = ("low", "high")


def is_set_wise(metric: Metric) -> bool:
    """Say whether a metric compares two sets, whose takes need not belong together one by one."""
    return type(metric).update is not Metric.update


def per_take(metric: Metric, count: int) -> list[dict[str, float]]:
    """Return, for each of the first `count` rows, which are the made takes', its own values.

    A value that only exists over takes (a correlation, a distance between sets) is not there.
    """
    if isinstance(metric, Fad):
        return [{metric.embedder.name: value} for value in metric.per_take()]
    if isinstance(metric, Embedded):
        return [{}] * count
    found: list[dict[str, float]] = []
    for row in metric.rows[:count]:
        if isinstance(row, dict):
            values = {name: row[name] for name in metric.higher_is_better if name in row}
        elif isinstance(row, Match):
            values = {"likeness": row.likeness}
        elif is_set_wise(metric):
            values = {}
        else:
            values = metric.summarise([row])
        found.append({name: value for name, value in values.items() if math.isfinite(value)})
    return found


def cells_of(
    name: str, metric: Metric, singles: Sequence[Mapping[str, float]]
) -> tuple[dict[str, Cell], list[str]]:
    """Return the defined values of a metric, `<name>/<value>`, with intervals, and the undefined ones.

    A metric that brings its interval along (`…/low`, `…_high`) has it in the cell of the value.
    """
    values = metric.compute()
    cells: dict[str, Cell] = {}
    for key, value in values.items():
        if not math.isfinite(value) or _base(key, values) is not None:
            continue
        low, high = _interval(metric, key, value, values, singles)
        cells[f"{name}/{key}"] = Cell(
            value=value,
            low=low,
            high=high,
            takes=sum(key in one for one in singles) or len(singles),
            higher_is_better=metric.higher_is_better[key],
        )
    return cells, [f"{name}/{key}" for key, value in values.items() if not math.isfinite(value)]


def _base(key: str, values: Mapping[str, float]) -> str | None:
    """Return the value whose interval this is an end of."""
    for end in ENDS:
        for mark in (f"_{end}", f"/{end}"):
            if key.endswith(mark) and key.removesuffix(mark) in values:
                return key.removesuffix(mark)
    return None


def _interval(
    metric: Metric,
    key: str,
    value: float,
    values: Mapping[str, float],
    singles: Sequence[Mapping[str, float]],
) -> tuple[float | None, float | None]:
    for mark in ("_", "/"):
        own = [values.get(f"{key}{mark}{end}", math.nan) for end in ENDS]
        if all(map(math.isfinite, own)):
            return own[0], own[1]
    if isinstance(metric, Embedded) or len(singles) < 2:
        return None, None  # to resample takes would add to the bias of a distance between sets
    known = np.array([one[key] for one in singles if key in one])
    if len(known) > 1 and math.isclose(known.mean(), value, rel_tol=1e-9, abs_tol=1e-12):
        if np.ptp(known) == 0:
            return None, None  # a constant, or too few takes to see it move
        if metric.higher_is_better[key] and np.isin(known, (0.0, 1.0)).all():  # right or wrong
            return share_interval(int(known.sum()), len(known), confidence=CONFIDENCE)
        return mean_interval(known, resamples=RESAMPLES, confidence=CONFIDENCE)
    extreme = len(known) and value in (known.min(), known.max())
    if extreme or is_set_wise(metric):
        return None, None  # resampled takes never reach beyond the largest of them
    rows = sorted(metric.rows, key=repr)
    found = summary_interval(
        lambda some: metric.summarise([rows[index] for index in some])[key],
        len(rows),
        resamples=SLOW_RESAMPLES,
        confidence=CONFIDENCE,
    )
    return found or (None, None)
