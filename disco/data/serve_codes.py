"""Crops of codec tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from disco.core.batch import CodeBatch
from disco.core.record import Record
from disco.core.views import CodeView
from disco.data.crops import Crop, CropPlan, conditions_of
from disco.data.given import Giver


class CodeCrops(Dataset):
    """Cuts crops out of cached tokens."""

    def __init__(self, codes: Mapping[str, np.ndarray], view: CodeView, plan: CropPlan, giver: Giver) -> None:
        self.codes = codes
        self.plan = plan
        self.giver = giver
        self.frame_rate = view.codec.rate / view.codec.hop
        self.frames = round(view.seconds * self.frame_rate)

    def __len__(self) -> int:
        return len(self.plan)

    def records(self) -> list[Record]:
        """Return the record of each item."""
        return [tile[0] for tile in self.plan.tiles]

    def __getitem__(self, key: tuple[int, int]) -> tuple[Crop, Tensor]:
        crop = self.giver.give(self.plan.crop(*key), key)
        start = round(crop.start * self.frame_rate)
        codes = self.codes[crop.record.id][start : start + self.frames]
        return crop, torch.from_numpy(codes.astype(np.int64)).T

    def collate(self, items: Sequence[tuple[Crop, Tensor]]) -> CodeBatch:
        """Pad to the view's length with token 0; `valid` tells what counts."""
        codes = torch.zeros(len(items), items[0][1].shape[0], self.frames, dtype=torch.long)
        for row, (_, one) in zip(codes, items, strict=True):
            row[:, : one.shape[1]] = one
        return CodeBatch(
            codes=codes,
            valid=torch.tensor([one.shape[1] for _, one in items]),
            conditions=conditions_of([crop for crop, _ in items]),
        )
