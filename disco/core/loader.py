"""A loader that can go on in the middle of an epoch, and says at which item it failed."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, runtime_checkable

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from disco.errors import DiscoError

Keys = list[tuple[int, int]]
PATIENCE = 600.0  # seconds that a batch may take; a disk that has to wake up is faster
SHOWN = 8  # pieces named of a batch


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
        patience: seconds that a batch may take where other processes load.
    """

    def __init__(
        self,
        data: Dataset,
        order: Order,
        *,
        collate: Callable[[list[Any]], Any],
        num_workers: int,
        seed: int,
        patience: float = PATIENCE,
    ) -> None:
        self.items = data
        self.order = order
        self.rest = Rest(order)
        self.epoch = 0
        self.handed = 0
        self.ahead: tuple[int, int] | None = None
        self.pace = 1.0  # batches of now in one of those that `load_state_dict` tells of
        super().__init__(
            Served(data),
            batch_sampler=self.rest,
            num_workers=num_workers,
            collate_fn=Joined(collate),
            persistent_workers=num_workers > 0,
            timeout=patience if num_workers else 0.0,
            generator=torch.Generator().manual_seed(seed),
        )

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # a generator is all that is needed
        """Yield the batches of the epoch, or those that are left after `load_state_dict`.

        Nothing happens before the first is asked for: by then the trainer has set the epoch.

        Raises:
            DiscoError: an item cannot be read, or a loader process died or hangs; names the pieces.
        """
        ahead, self.ahead = self.ahead, None
        self.epoch = self.order.epoch
        goes_on = ahead is not None and ahead[0] == self.epoch and ahead[1] < len(self.order)
        self.handed = ahead[1] if goes_on and ahead is not None else 0
        self.rest.first = self.handed
        batches = super().__iter__()
        while True:
            try:
                batch = next(batches)
            except StopIteration:
                return
            except RuntimeError as error:  # of the loader itself: those of items come as `Failed`
                raise self._lost(error) from error
            if isinstance(batch, Failed):
                raise self._refusal(batch) from RuntimeError(batch.trace)
            self.handed += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Return the epoch, and how many of its batches were handed out."""
        return {"epoch": self.epoch, "batches": self.handed}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Begin the next epoch where that one stood, if it is the same."""
        self.ahead = state_dict["epoch"], int(state_dict["batches"] * self.pace)

    def keys(self, count: int) -> list[Keys]:
        """Return which items made the last `count` batches."""
        return list(islice(self.order, max(0, self.handed - count), self.handed))

    def names(self, keys: Keys) -> list[str]:
        """Return the ids of the pieces that items are of."""
        records = getattr(self.items, "records", None)
        if records is None:
            return [f"item {index} of epoch {epoch}" for epoch, index in keys]
        known = records()
        return [known[index].id for _, index in keys]

    def awaited(self) -> str:
        """Say which batch comes next, and of which pieces."""
        keys = next(islice(self.order, self.handed, None), [])
        names = self.names(keys)
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        return f"batch {self.handed + 1:,} of epoch {self.epoch} ({', '.join(names[:SHOWN])}{more})"

    def _lost(self, error: RuntimeError) -> DiscoError:
        reason = str(error).strip().splitlines()[0]
        return DiscoError(
            f"a loader process died or hangs while {self.awaited()} was awaited: {reason}",
            do="go on from the last checkpoint with resume=…; data.num_workers=0 loads without processes",
        )

    def _refusal(self, failed: Failed) -> DiscoError:
        if failed.key is None:
            return DiscoError(f"{self.awaited()} cannot be joined: {failed.reason}", do=failed.do)
        (name,) = self.names([failed.key])
        return DiscoError(f"{name} cannot be served (epoch {failed.key[0]}): {failed.reason}", do=failed.do)


@dataclass(frozen=True)
class Failed:
    """Comes from a loader process in place of an item or a batch.

    Attributes:
        key: of the item; None where a batch of sound items failed.
        reason, do: what went wrong, and what to do about it.
        trace: where.
    """

    key: tuple[int, int] | None
    reason: str
    do: str
    trace: str


class Served(Dataset):
    """Items, and what became of those that cannot be read."""

    def __init__(self, data: Dataset) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)  # type: ignore[arg-type]

    def __getitem__(self, key: tuple[int, int]) -> Any:
        try:
            return self.data[key]
        except Exception as error:  # told with the piece's name where the batch is handed out
            return _failed(key, error)


class Joined:
    """Joins items, unless one of them failed."""

    def __init__(self, collate: Callable[[list[Any]], Any]) -> None:
        self.collate = collate

    def __call__(self, items: list[Any]) -> Any:
        """Return the batch, or the first failure."""
        failed = next((item for item in items if isinstance(item, Failed)), None)
        if failed is not None:
            return failed
        try:
            return self.collate(items)
        except Exception as error:
            return _failed(None, error)


def _failed(key: tuple[int, int] | None, error: Exception) -> Failed:
    if isinstance(error, DiscoError):
        return Failed(key, error.message, error.do, traceback.format_exc())
    reason = f"{type(error).__name__}: {error}"
    return Failed(key, reason, "repair it or take it out of the data set", traceback.format_exc())


class Rest(Sampler[Keys]):
    """An order from its batch `first` on."""

    def __init__(self, order: Order) -> None:
        self.sampler = order  # where Lightning looks for set_epoch
        self.first = 0

    def __iter__(self) -> Iterator[Keys]:
        return islice(self.sampler, self.first, None)

    def __len__(self) -> int:
        return len(self.sampler)
