"""Batches of items of like length, padded to one of a few lengths instead of to the longest of all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

PARTS = 256  # lengths are counted in parts of the longest, so that a network meets few shapes
SHORTEST = 16  # parts: less would be shorter than the windows of losses


@dataclass(frozen=True)
class Buckets:
    """To which length each item is padded.

    Attributes:
        edges: the lengths, in 256ths of the longest; it is the last of them.
        of_item: the place of each item's length among them.
    """

    edges: tuple[int, ...]
    of_item: tuple[int, ...]


def choose_buckets(lengths: Sequence[float], count: int) -> Buckets:
    """Choose up to `count` lengths with the least padding, by dynamic programming.

    Args:
        lengths: of every item, as shares of the longest that is served.
        count: 1 pads everything to the longest.
    """
    parts = np.ceil(np.asarray(lengths, dtype=np.float64) * PARTS - 1e-6).clip(SHORTEST, PARTS).astype(int)
    held = np.bincount(parts, minlength=PARTS + 1)
    items, filled = held.cumsum(), (held * np.arange(PARTS + 1)).cumsum()
    place = np.arange(PARTS + 1)
    # waste[i, j]: padding of the items longer than i and not longer than j, when all are padded to j
    waste = (items[None, :] - items[:, None]) * place[None, :] - (filled[None, :] - filled[:, None])
    waste = np.where(place[:, None] < place[None, :], waste, np.iinfo(np.int64).max // 4)
    least, before = waste[0], [np.zeros(PARTS + 1, int)]
    for _ in range(count - 1):
        every = least[:, None] + waste
        better = every.argmin(0)
        chosen = np.minimum(least, every.min(0))
        before.append(np.where(chosen < least, better, -1))
        least = chosen
    edges, end = [PARTS], PARTS
    for steps in reversed(before):
        if steps[end] > 0:
            end = int(steps[end])
            edges.append(end)
    found = tuple(reversed(edges))
    return Buckets(found, tuple(np.searchsorted(found, parts).tolist()))


def grouped(order: Sequence[int], of_item: Sequence[int], size: int, generator: torch.Generator) -> list[int]:
    """Reorder so that every `size` items in a row lie in one bucket, where there are so many.

    What is left of the buckets goes together by length. One of the longest batches comes first, so that
    memory that does not suffice is found out at once; the others come in random order.
    """
    waiting: dict[int, list[int]] = {}
    batches: list[list[int]] = []
    for index in order:
        row = waiting.setdefault(of_item[index], [])
        row.append(index)
        if len(row) == size:
            batches.append(waiting.pop(of_item[index]))
    rest = [index for place in sorted(waiting) for index in waiting[place]]
    batches += [rest[first : first + size] for first in range(0, len(rest), size)]
    batches = [batches[place] for place in torch.randperm(len(batches), generator=generator).tolist()]
    batches.sort(key=len, reverse=True)  # one that is not full stays the last
    whole = [place for place, batch in enumerate(batches) if len(batch) == size]
    if whole:
        longest = max(whole, key=lambda place: max(of_item[index] for index in batches[place]))
        batches.insert(0, batches.pop(longest))
    return [index for batch in batches for index in batch]


@dataclass(frozen=True)
class Cut:
    """Joins items, and leaves out padding behind the bucket of the longest of them.

    Attributes:
        collate: joins them, padded to the longest that is served.
        edges: of the buckets.
    """

    collate: Callable[[list[Any]], Any]
    edges: Sequence[int]

    def __call__(self, items: list[Any]) -> Any:
        """Return the batch, with one of as many shapes as there are buckets."""
        batch = self.collate(items)
        for name in ("wave", "codes", "tokens"):
            padded = getattr(batch, name, None)
            if padded is not None:
                needed, whole = int(batch.valid.max()), padded.shape[-1]
                lengths = [-(-edge * whole // PARTS) for edge in self.edges]
                length = next(length for length in (*lengths, whole) if length >= needed)
                return replace(batch, **{name: padded[..., :length].contiguous()})
        return batch
