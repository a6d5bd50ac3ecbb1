"""Waveform crops."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset

from disco.core.batch import AudioBatch
from disco.core.contracts import WaveAugment, seeded
from disco.core.record import Record
from disco.core.views import AudioView
from disco.data.crops import Crop, CropPlan, conditions_of
from disco.data.pieces import read_piece


class AudioCrops(Dataset):
    """Reads each crop from its file when asked for, at the model's rate.

    Args:
        root: folder that the records' paths start from.
        augments: applied in order; none for validation.
    """

    def __init__(
        self, root: Path, view: AudioView, plan: CropPlan, augments: Sequence[WaveAugment] = ()
    ) -> None:
        self.root = root
        self.view = view
        self.plan = plan
        self.augments = augments

    def __len__(self) -> int:
        return len(self.plan)

    def records(self) -> list[Record]:
        """Return the record of each item."""
        return [tile[0] for tile in self.plan.tiles]

    def __getitem__(self, key: tuple[int, int]) -> tuple[Crop, Tensor]:
        epoch, index = key
        crop = self.plan.crop(epoch, index)
        wave = read_piece(
            self.root,
            crop.record,
            start=crop.start,
            seconds=crop.seconds,
            rate=self.view.rate,
            channels=self.view.channels,
        )
        for place, augment in enumerate(self.augments):
            wave = augment(wave, seeded(self.plan.seed, epoch, index, place))
        return crop, wave

    def collate(self, items: Sequence[tuple[Crop, Tensor]]) -> AudioBatch:
        """Pad to the view's length with silence."""
        length = round(self.view.seconds * self.view.rate)
        wave = torch.zeros(len(items), self.view.channels, length)
        for row, (_, one) in zip(wave, items, strict=True):
            row[:, : one.shape[1]] = one[:, :length]
        return AudioBatch(
            wave=wave,
            valid=torch.tensor([min(length, one.shape[1]) for _, one in items]),
            rate=self.view.rate,
            conditions=conditions_of([crop for crop, _ in items]),
        )
