"""How much each key of a sweep matters for what came out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

GROUPS = 4  # of the points, by a key with more values than these


def importances(columns: dict[str, Sequence[str | float]], costs: Sequence[float]) -> dict[str, float]:
    """Return the share of the variance of the costs that lies between the values of each key, 0 to 1.

    It is epsilon squared (Kelley 1935), which takes off what chance alone would give. A key whose effect
    depends wholly on another gets none; keys that moved together in a search share what they did. Numbers
    with many values are put in groups of like size.

    Args:
        columns: by key, a value for each point.
        costs: finite, one for each point.
    """
    cost = np.asarray(costs, dtype=float)
    total = float(((cost - cost.mean()) ** 2).sum())
    return {name: _share(_groups(column), cost, total) for name, column in columns.items()}


def _share(groups: np.ndarray, cost: np.ndarray, total: float) -> float:
    names = np.unique(groups)
    free = len(cost) - len(names)
    if free <= 0 or len(names) < 2 or total <= 0:
        return 0.0
    within = sum(float(((cost[groups == n] - cost[groups == n].mean()) ** 2).sum()) for n in names)
    return float(max(0.0, (total - within - (len(names) - 1) * within / free) / total))


def _groups(column: Sequence[str | float]) -> np.ndarray:
    distinct = sorted(set(column), key=str)
    if len(distinct) <= GROUPS or not all(isinstance(value, int | float) for value in column):
        return np.array([distinct.index(value) for value in column])
    edges = np.quantile(np.asarray(column, dtype=float), np.linspace(0, 1, GROUPS + 1)[1:-1])
    return np.searchsorted(edges, np.asarray(column, dtype=float), side="left")
