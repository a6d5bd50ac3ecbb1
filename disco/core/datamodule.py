"""The base of every data module: it serves a manifest the way a model wants to see it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import lightning as L
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from disco.core.buckets import Buckets, Cut, choose_buckets, grouped
from disco.core.contracts import seeded
from disco.core.loader import Loader
from disco.core.ranges import NaturalInt, PositiveInt
from disco.core.record import Record
from disco.core.views import View
from disco.errors import DiscoError

AGAIN = 1_000_000  # epochs between an item and the same item again in one epoch


class MusicData(L.LightningDataModule, ABC):
    """Serves training and validation batches of one manifest.

    Args:
        batch_size: items per process and step.
        num_workers: loader processes; 0 loads in the training process.
        seed: of the order and of the crops; the k-th item of epoch e is a function of (seed, e, k) alone.

    Attributes:
        fraction: share of the training pieces that is served; set it before the first item is asked for.
        length_buckets: lengths that training batches are padded to; 1 pads all to what the view asks for.
    """

    fraction: float = 1.0
    length_buckets: int = 1

    def __init__(self, *, batch_size: PositiveInt, num_workers: NaturalInt, seed: int) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.asked = batch_size  # an interrupted run may go on with another one
        self.pace = 1.0  # its batches in those of now
        self.num_workers = num_workers
        self.seed = seed
        self.view: View | None = None

    def serve(self, view: View) -> MusicData:
        """Take the model's wish; call before fitting."""
        self.view = view
        return self

    @abstractmethod
    def records(self, split: str) -> list[Record]:
        """Return the records of one split."""

    @abstractmethod
    def dataset(self, split: str) -> Dataset:
        """Return the items of one split in the asked view; items are fetched by (epoch, index).

        The split "survey" is the training split without augmentation, end to end.
        """

    @abstractmethod
    def collate(self, items: list[Any]) -> Any:
        """Join items into a batch of the type that the view stands for."""

    def weights(self, split: str) -> Sequence[float] | None:
        """Return how often each item of a split is drawn beside the others; None draws each once."""
        return None

    def lengths(self, split: str) -> Sequence[float] | None:
        """Return the most that each item of a split can have of the view's length, as a share of it."""
        return None

    def survey(self, *, most: int | None = None) -> Iterator[Any]:
        """Yield the training split once, in order, unvaried and whole in every process.

        Args:
            most: items at most, spread evenly over the split.
        """
        data = self.dataset("survey")
        size = len(data)  # type: ignore[arg-type]
        count = size if most is None else min(most, size)
        items = [i * size // count for i in range(count)]
        for start in range(0, count, self.batch_size):
            yield self.collate([data[0, index] for index in items[start : start + self.batch_size]])

    def state_dict(self) -> dict[str, int]:
        """Return what was asked for per process, and what all processes take together."""
        return {"asked": self.asked, "together": self.batch_size * _world()[1]}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Go on with what all processes took together, unless another `batch_size` is asked for now.

        So a run on another number of processes sees the same batches in the same order.

        Raises:
            DiscoError: it cannot be shared out evenly.
        """
        together, world = state_dict["together"], _world()[1]
        if state_dict["asked"] == self.asked:
            if together % world:
                raise DiscoError(
                    f"{world} processes cannot share batches of {together} evenly",
                    do=f"choose a number of devices that divides {together}, or give data.batch_size=…",
                )
            self.batch_size = together // world
        self.pace = together / (self.batch_size * world)

    def train_dataloader(self) -> DataLoader:
        """Return the training batches, shuffled anew each epoch."""
        return self._loader("train", shuffle=True)

    def val_dataloader(self) -> DataLoader:
        """Return the validation batches, the same ones each time."""
        return self._loader("val", shuffle=False)

    def test_dataloader(self) -> DataLoader:
        """Return the test batches, the same ones each time."""
        return self._loader("test", shuffle=False)

    def _loader(self, split: str, *, shuffle: bool) -> DataLoader:
        if self.view is None:
            raise DiscoError(
                "the data module was not told what the model wants", do="call serve(module.view)"
            )
        data = self.dataset(split)
        size = len(data)  # type: ignore[arg-type]
        if size == 0:
            raise DiscoError(f"the {split} split is empty", do="add data, or lower data.seconds")
        weights = self.weights(split) if shuffle else None
        lengths = self.lengths(split) if shuffle and self.length_buckets > 1 else None
        buckets = None if lengths is None else choose_buckets(lengths, self.length_buckets)
        order = EpochOrder(
            size, self.batch_size, seed=self.seed, shuffle=shuffle, weights=weights, buckets=buckets
        )
        collate = self.collate if buckets is None else Cut(self.collate, buckets.edges)
        loader = Loader(data, order, collate=collate, num_workers=self.num_workers, seed=self.seed)
        loader.pace = self.pace
        return loader


class EpochOrder(Sampler[list[tuple[int, int]]]):
    """Batches of (epoch, index); rank r of W takes positions r, r+W, … of each global batch.

    So one process with batch 2B sees what two processes with batch B see together. Training drops
    the last incomplete global batch, or repeats the order when there is less than one; validation
    is split over the ranks without repeats beyond an even share.

    Args:
        weights: how often each item is drawn beside the others; in an epoch of n items one with weight w
            of a sum of W comes n·w/W times, rounded up or down by chance.
        buckets: of the items by length; a global batch is of one of them, where there are enough items.
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        *,
        seed: int,
        shuffle: bool,
        weights: Sequence[float] | None = None,
        buckets: Buckets | None = None,
    ) -> None:
        self.size = size
        self.batch_size = batch_size
        self.seed = seed
        self.shuffle = shuffle
        self.weights = weights
        self.buckets = buckets
        self.epoch = 0
        self.sampler = self  # where Lightning looks for set_epoch

    def set_epoch(self, epoch: int) -> None:
        """Choose the order; Lightning calls this at the start of each epoch."""
        self.epoch = epoch

    def _order(self) -> list[int]:
        if not self.shuffle:
            return list(range(self.size))
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(self.size, generator=generator).tolist()
        if self.weights is not None:
            drawn = _systematic(self.weights, generator)
            order = [drawn[place] for place in order]
        whole = self.batch_size * _world()[1]
        if self.size < whole:
            return (order * (whole // self.size + 1))[:whole]
        return order[: self.size - self.size % whole]

    def _keys(self) -> list[tuple[int, int]]:
        """Return what is fetched, in order; what comes again counts as of a later epoch, and differs."""
        epoch = self.epoch if self.shuffle else 0
        order = self._order()
        if self.buckets is not None:
            whole = self.batch_size * _world()[1]
            order = grouped(order, self.buckets.of_item, whole, seeded(self.seed, self.epoch))
        if self.weights is None:
            return [(epoch, index) for index in order]
        times = Counter[int]()
        keys = []
        for index in order:
            keys.append((epoch + AGAIN * times[index], index))
            times[index] += 1
        return keys

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        rank, world = _world()
        mine = self._keys()[rank::world]
        for start in range(0, len(mine), self.batch_size):
            yield mine[start : start + self.batch_size]

    def __len__(self) -> int:
        rank, world = _world()
        length = len(range(rank, len(self._order()), world))
        return -(-length // self.batch_size)


def _systematic(weights: Sequence[float], generator: torch.Generator) -> list[int]:
    """Draw as many items as there are weights, evenly spaced along their sum from a random start."""
    ends = torch.tensor(weights, dtype=torch.float64).cumsum(0)
    size = len(weights)
    start = torch.rand((), generator=generator, dtype=torch.float64)
    places = (torch.arange(size, dtype=torch.float64) + start) * (ends[-1] / size)
    return torch.searchsorted(ends, places, right=True).clamp(max=size - 1).tolist()


def _world() -> tuple[int, int]:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1
