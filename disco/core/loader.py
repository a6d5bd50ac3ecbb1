"""A loader that can go on in the middle of an epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Protocol, runtime_checkable

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

Keys = list[tuple[int, int]]


@runtime_checkable
class Order(Protocol):
    """Batches of (epoch, index) for the epoch that was set."""

    epoch: int

    def __iter__(self) -> Iterator[Keys]:
        """Yield the batches of this process."""
        ...

    def __len__(self) -> int:
        """Return how many there are."""
        ...


class Loader(DataLoader):
    """Knows which batch of which epoch it handed out last, whatever its workers have read ahead.

    Draws no random numbers that training draws from.

    Args:
        data: the items.
        order: which of them make a batch.
        collate: joins them.
        num_workers: processes that load; 0 loads in this one.
        seed: of the random numbers of the workers.
    """

    def __init__(
        self, data: Dataset, order: Order, *, collate: Callable[[list[Any]], Any], num_workers: int, seed: int
    ) -> None:
        self.order = order
        self.rest = Rest(order)
        self.epoch = 0
        self.handed = 0
        self.ahead: tuple[int, int] | None = None
        super().__init__(
            data,
            batch_sampler=self.rest,
            num_workers=num_workers,
            collate_fn=collate,
            persistent_workers=num_workers > 0,
            generator=torch.Generator().manual_seed(seed),
        )

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # a generator is all that is needed
        """Yield the batches of the epoch, or those that are left after `load_state_dict`.

        Nothing happens before the first is asked for: by then the trainer has set the epoch.
        """
        ahead, self.ahead = self.ahead, None
        self.epoch = self.order.epoch
        goes_on = ahead is not None and ahead[0] == self.epoch and ahead[1] < len(self.order)
        self.handed = ahead[1] if goes_on and ahead is not None else 0
        self.rest.first = self.handed
        for batch in super().__iter__():
            self.handed += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Return the epoch, and how many of its batches were handed out."""
        return {"epoch": self.epoch, "batches": self.handed}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Begin the next epoch where that one stood, if it is the same."""
        self.ahead = state_dict["epoch"], state_dict["batches"]

    def keys(self, count: int) -> list[Keys]:
        """Return which items made the last `count` batches."""
        return list(islice(self.order, max(0, self.handed - count), self.handed))


class Rest(Sampler[Keys]):
    """An order from its batch `first` on."""

    def __init__(self, order: Order) -> None:
        self.sampler = order  # where Lightning looks for set_epoch
        self.first = 0

    def __iter__(self) -> Iterator[Keys]:
        return islice(self.sampler, self.first, None)

    def __len__(self) -> int:
        return len(self.sampler)
