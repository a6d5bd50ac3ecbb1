"""Waveform crops."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import Dataset

from disco.core.batch import AudioBatch
from disco.core.contracts import PairAugment, WaveAugment, seeded
from disco.core.record import Record
from disco.core.views import AudioView
from disco.data.crops import Crop, CropPlan, conditions_of
from disco.data.given import Giver
from disco.data.pieces import fill_piece, read_piece

Item = tuple[Crop, Tensor]
_OURS = 2  # references to an array that only we hold: ours, and the one that the counting takes


class Rows(list[Item]):
    """Items that lie in the rows of one array already, so that nothing is left to be joined."""

    def __init__(self, wave: Float[Tensor, "b c t"], crops: Sequence[Crop], valid: Sequence[int]) -> None:
        super().__init__((crop, row[:, :end]) for crop, row, end in zip(crops, wave, valid, strict=True))
        self.wave = wave


class AudioCrops(Dataset):
    """Reads each crop from its file when asked for, at the model's rate, a whole batch at once.

    Args:
        root: folder that the records' paths start from.
        augments: applied in order; none for validation.
    """

    def __init__(
        self,
        root: Path,
        view: AudioView,
        plan: CropPlan,
        augments: Sequence[WaveAugment | PairAugment] = (),
    ) -> None:
        self.root = root
        self.view = view
        self.plan = plan
        self.augments = augments
        self.giver = Giver(root, view.wants, plan.seed)
        self._last: Float[np.ndarray, "b c t"] | None = None

    def __len__(self) -> int:
        return len(self.plan)

    def records(self) -> list[Record]:
        """Return the record of each item."""
        return [tile[0] for tile in self.plan.tiles]

    def __getitems__(self, keys: Sequence[tuple[int, int]]) -> list[Item]:
        """Return the items of a batch; loaders ask for this."""
        if self.augments:
            return [self[key] for key in keys]
        wave = self._room(len(keys))
        crops, valid = [self.giver.give(self.plan.crop(*key), key) for key in keys], []
        for row, crop in zip(wave, crops, strict=True):
            count = fill_piece(
                row, self.root, crop.record, start=crop.start, seconds=crop.seconds, rate=self.view.rate
            )
            row[:, count:] = 0.0
            valid.append(count)
        return Rows(torch.from_numpy(wave), crops, valid)

    def __getitem__(self, key: tuple[int, int]) -> Item:
        epoch, index = key
        crop = self.giver.give(self.plan.crop(epoch, index), key)
        wave = self._read(crop)
        for place, augment in enumerate(self.augments):
            generator = seeded(self.plan.seed, epoch, index, place)
            if isinstance(augment, WaveAugment):
                wave = augment(wave, generator)
            elif augment.wanted(generator) and len(self) > 1:
                further = int(torch.randint(1, len(self), (), generator=generator))
                other = self.plan.crop(epoch, (index + further) % len(self))
                wave = augment(wave, self._read(other), generator)
                crop = _both(crop, augment.caption(crop.record.caption, other.record.caption))
        return crop, wave

    def _room(self, count: int) -> Float[np.ndarray, "b c t"]:
        """Return an array for a batch: the last one, if nobody holds it any more.

        To be handed fresh memory by the system takes longer than to fill it with sound.
        """
        length = round(self.view.seconds * self.view.rate)
        if self._last is None or len(self._last) != count or sys.getrefcount(self._last) > _OURS:
            self._last = np.empty((count, self.view.channels, length), np.float32)
        return self._last

    def _read(self, crop: Crop) -> Tensor:
        return read_piece(
            self.root,
            crop.record,
            start=crop.start,
            seconds=crop.seconds,
            rate=self.view.rate,
            channels=self.view.channels,
        )

    def collate(self, items: Sequence[Item]) -> AudioBatch:
        """Pad to the view's length with silence."""
        length = round(self.view.seconds * self.view.rate)
        if isinstance(items, Rows):
            wave = items.wave
        else:
            wave = torch.zeros(len(items), self.view.channels, length)
            for row, (_, one) in zip(wave, items, strict=True):
                row[:, : one.shape[1]] = one[:, :length]
        return AudioBatch(
            wave=wave,
            valid=torch.tensor([min(length, one.shape[1]) for _, one in items]),
            rate=self.view.rate,
            conditions=conditions_of([crop for crop, _ in items]),
        )


def _both(crop: Crop, caption: str | None) -> Crop:
    """Return what is known of two sounds at once: their caption, and nothing of only one of them."""
    record = replace(
        crop.record, caption=caption, key=None, tempo=None, metre=None, genre=[], instruments=[], mood=[]
    )
    return replace(crop, record=record, given=dict.fromkeys(crop.given))
