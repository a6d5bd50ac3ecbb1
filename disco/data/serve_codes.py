"""Crops of codec tokens, encoded once and kept in a cache."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from disco.audio.io import read_clip
from disco.core.batch import CodeBatch
from disco.core.contracts import Codec
from disco.core.files import file_hash, write_text
from disco.core.record import Record
from disco.core.views import CodeView
from disco.data.crops import Crop, CropPlan, conditions_of
from disco.drafts import drafted


class CodeCache:
    """Tokens of whole files: one memory-mapped array, found by the content of the audio.

    Args:
        folder: one folder per codec fingerprint is made in it.
    """

    def __init__(self, folder: Path, codec: Codec) -> None:
        self.codec = codec
        self.folder = folder / f"codes-{codec.fingerprint[:16]}"

    def fill(self, root: Path, records: Sequence[Record]) -> int:
        """Encode what is not in the cache yet; return how many files that were."""
        index = self._index()
        wanted = {file_hash(root / record.file_path): record for record in records}
        fresh = {key: record for key, record in wanted.items() if key not in index}
        if not fresh:
            return 0
        known = [np.asarray(self._codes())] if index else []
        offset = sum(len(codes) for codes in known)
        for key, record in fresh.items():
            codes = self._encode(root / record.file_path)
            known.append(codes)
            index[key] = (offset, len(codes))
            offset += len(codes)
        name = f"codes-{offset}.npy"  # a longer array has another name: readers keep the one they opened
        with drafted(self.folder / name) as draft:
            np.save(draft, np.concatenate(known))
        write_text(self.folder / "index.json", json.dumps({"file": name, "clips": index}))
        return len(fresh)

    def _encode(self, path: Path) -> np.ndarray:
        clip = read_clip(path, rate=self.codec.rate, channels=self.codec.channels)
        return self.codec.encode(clip.wave[None])[0].T.cpu().numpy().astype(np.uint16)

    def _index(self) -> dict[str, tuple[int, int]]:
        path = self.folder / "index.json"
        clips = json.loads(path.read_text())["clips"] if path.is_file() else {}
        return {key: (start, length) for key, (start, length) in clips.items()}

    def _codes(self) -> np.ndarray:
        name = json.loads((self.folder / "index.json").read_text())["file"]
        return np.load(self.folder / name, mmap_mode="r")

    def open(self, root: Path, records: Sequence[Record]) -> dict[str, np.ndarray]:
        """Return the tokens [frames, codebooks] of each record, by its id."""
        index, codes = self._index(), self._codes()
        spans = {record.id: index[file_hash(root / record.file_path)] for record in records}
        return {name: codes[start : start + length] for name, (start, length) in spans.items()}


class CodeCrops(Dataset):
    """Cuts crops out of cached tokens."""

    def __init__(self, codes: dict[str, np.ndarray], view: CodeView, plan: CropPlan) -> None:
        self.codes = codes
        self.plan = plan
        self.frame_rate = view.codec.rate / view.codec.hop
        self.frames = round(view.seconds * self.frame_rate)

    def __len__(self) -> int:
        return len(self.plan)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Crop, Tensor]:
        crop = self.plan.crop(*key)
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
