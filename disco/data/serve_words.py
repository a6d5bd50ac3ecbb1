"""Items whose captions are worded anew each time, whatever they are items of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch.utils.data import Dataset

from disco.core.contracts import WordAugment, seeded
from disco.core.record import Record
from disco.data.crops import Crop
from disco.data.serve_audio import Rows

APART = 0x776F7264  # keeps these draws apart from those of crops and augmentations


class WordedItems(Dataset):
    """Tells each item in words that depend on (seed, epoch, index) alone.

    Args:
        items: (crop, …) for (epoch, index).
        words: one behind the other.
    """

    def __init__(self, items: Any, words: Sequence[WordAugment], seed: int) -> None:
        self.items = items
        self.words = words
        self.seed = seed
        if hasattr(items, "__getitems__"):  # loaders look for it
            self.__getitems__ = self._several

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Any, ...]:
        crop, *rest = self.items[key]
        return (self._told(crop, key), *rest)

    def _several(self, keys: Sequence[tuple[int, int]]) -> Any:
        found = self.items.__getitems__(keys)
        told = [(self._told(crop, key), *rest) for (crop, *rest), key in zip(found, keys, strict=True)]
        if not isinstance(found, Rows):
            return told
        found[:] = told  # type: ignore[assignment]  their rows stay joined
        return found

    def records(self) -> list[Record]:
        """Return the record of each item."""
        return self.items.records()

    def collate(self, items: Any) -> Any:
        """Join items as their view does."""
        return self.items.collate(items)

    @property
    def tokens(self) -> Any:
        """Tokens of whole pieces, of items that are made of them."""
        return self.items.tokens

    def _told(self, crop: Crop, key: tuple[int, int]) -> Crop:
        record = crop.record
        for place, words in enumerate(self.words):
            record = replace(record, caption=words(record, seeded(self.seed, APART, *key, place)))
        return replace(crop, record=record)
