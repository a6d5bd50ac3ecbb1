"""Groups dealt out to sides so that each side gets its share of everything.

A side's cost is the chi-square distance of what it holds from what it should hold, over labels. Groups go,
the largest first, where they lower it most; then one group is moved, or two are swapped, while that lowers it
further. Nothing is drawn, so the result depends on the input alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

MOST_WORK = 1e9  # multiplications spent on moving and swapping
MOST_SWAPPED = 400  # groups of a side that are looked at for a swap
LEAST_GAIN = 1e-2  # below it, two machines may round differently


@dataclass
class _Table:
    """What stands where: `amounts` of each group, `held` by each side, and the side of each group."""

    amounts: Float[np.ndarray, "g l"]
    held: Float[np.ndarray, "s l"]
    wished: Float[np.ndarray, "s l"]
    weights: Float[np.ndarray, " l"]
    count: Int[np.ndarray, "s"]
    side: Int[np.ndarray, " g"]

    def slope(self) -> Float[np.ndarray, "s l"]:
        """How fast the cost of a side grows with each label."""
        return 2.0 * self.weights * (self.held - self.wished) / self.wished

    def place(self, group: int, side: int) -> None:
        """Put a group on a side, from where it is."""
        if self.side[group] >= 0:
            self.held[self.side[group]] -= self.amounts[group]
            self.count[self.side[group]] -= 1
        self.held[side] += self.amounts[group]
        self.count[side] += 1
        self.side[group] = side


def deal(
    amounts: Float[np.ndarray, "g l"],
    *,
    order: Sequence[int],
    base: Float[np.ndarray, "s l"],
    shares: Sequence[float],
    weights: Float[np.ndarray, " l"],
) -> list[int]:
    """Return the side of each group.

    Args:
        amounts: of each label in each group; whole numbers, so that sums are exact.
        order: of groups with equal claims.
        base: what already lies on each side and stays.
        shares: of each side; together 1.
        weights: of the labels in the cost.
    """
    whole = base.sum(0) + amounts.sum(0)
    table = _Table(
        amounts=amounts,
        held=base.copy(),
        wished=np.maximum(np.outer(shares, whole), 1.0),
        weights=weights,
        count=(base.sum(1) > 0).astype(np.int64),
        side=np.full(len(amounts), -1),
    )
    for group in order:
        rise = (table.slope() * amounts[group] + weights * amounts[group] ** 2 / table.wished).sum(1)
        table.place(group, int(np.argmin(np.round(rise, 2))))
    _fill(table, shares)
    _improve(table)
    return [int(side) for side in table.side]


def _fill(table: _Table, shares: Sequence[float]) -> None:
    """Leave no side without music that should have some, where there are groups enough."""
    for side, share in enumerate(shares):
        if share > 0 and table.count[side] == 0:
            rises = _rises(table)[:, side]
            rises[table.count[table.side] < 2] = np.inf
            if np.isfinite(rises).any():
                table.place(int(np.argmin(np.round(rises, 2))), side)


def _improve(table: _Table) -> None:
    size = table.amounts.size
    work = 0.0
    while work < MOST_WORK and len(table.amounts):
        rises = np.round(_rises(table), 2)
        work += 4 * size
        free = rises.copy()
        free[table.count[table.side] < 2] = 0.0
        group, side = np.unravel_index(int(np.argmin(free)), free.shape)
        if free[group, side] < -LEAST_GAIN:
            table.place(int(group), int(side))
            continue
        gain, one, other = _best_swap(table, rises)
        work += 3 * MOST_SWAPPED * min(MOST_SWAPPED, len(table.amounts)) * table.amounts.shape[1]
        if gain >= -LEAST_GAIN:
            return
        to_one, to_other = int(table.side[other]), int(table.side[one])
        table.place(one, to_one)
        table.place(other, to_other)


def _rises(table: _Table) -> Float[np.ndarray, "g s"]:
    """Return by how much the cost rises if one group goes to one side."""
    slope = table.slope()
    inverse = table.weights / table.wished
    linear = table.amounts @ slope.T
    square = table.amounts**2 @ inverse.T
    here = np.arange(len(table.amounts)), table.side
    rises = (square - linear)[here][:, None] + linear + square
    rises[here] = 0.0
    return rises


def _best_swap(table: _Table, rises: Float[np.ndarray, "g s"]) -> tuple[float, int, int]:
    """Return the lowest rise of the cost by a swap, and the two groups."""
    best = (0.0, -1, -1)
    sides = range(len(table.held))
    for a, b in [(a, b) for a in sides for b in sides if a < b]:
        ones = _candidates(table, rises, a, b)
        others = _candidates(table, rises, b, a)
        if not len(ones) or not len(others):
            continue
        both = table.weights * (1 / table.wished[a] + 1 / table.wished[b])
        cross = (table.amounts[ones] * both) @ table.amounts[others].T
        total = np.round(rises[ones, b][:, None] + rises[others, a][None, :] - 2 * cross, 2)
        row, column = np.unravel_index(int(np.argmin(total)), total.shape)
        if total[row, column] < best[0]:
            best = (float(total[row, column]), int(ones[row]), int(others[column]))
    return best


def _candidates(table: _Table, rises: Float[np.ndarray, "g s"], side: int, to: int) -> Int[np.ndarray, "n"]:
    """Return groups of a side; of many, those whose move alone would cost least."""
    here = np.flatnonzero(table.side == side)
    if len(here) <= MOST_SWAPPED:
        return here
    return here[np.argsort(rises[here, to], kind="stable")[:MOST_SWAPPED]]
