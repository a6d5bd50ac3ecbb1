"""Runs of score tokens, tokenised once and kept in a cache."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from disco.core.batch import ScoreBatch
from disco.core.contracts import ScoreAugment, Tokenizer, seeded
from disco.core.files import file_hash
from disco.core.record import Record
from disco.core.views import ScoreView
from disco.data.crops import Crop, conditions_of
from disco.data.given import Giver
from disco.drafts import drafted
from disco.midi.score import read_score
from disco.midi.transform import complete_pickup


def tokenized(
    root: Path, records: Sequence[Record], tokenizer: Tokenizer, folder: Path
) -> dict[str, np.ndarray]:
    """Return the tokens of each record that has a score, with BOS and EOS, by its id.

    They are kept in `folder`, in one file per tokenizer, found by the content of the MIDI file.
    """
    scored = {record.id: record for record in records if record.midi_path}
    keys = {name: f"{file_hash(root / str(r.midi_path))}-{r.pickup_beats}" for name, r in scored.items()}
    cache = folder / f"{tokenizer.fingerprint[:16]}.npz"
    known = dict(np.load(cache)) if cache.is_file() else {}
    fresh = {key: scored[name] for name, key in keys.items() if key not in known}
    for key, record in fresh.items():
        known[key] = _tokens(tokenizer, root, record)
    if fresh:
        with drafted(cache) as draft:
            np.savez(draft, **known)
    return {name: known[key] for name, key in keys.items()}


def _tokens(tokenizer: Tokenizer, root: Path, record: Record) -> np.ndarray:
    """Tokenise a score, its pickup at the end of a first bar that begins with a rest."""
    score = read_score(root / str(record.midi_path))
    if record.pickup_beats and record.metre:
        upper, lower = record.metre.split("/")
        score = complete_pickup(score, (int(upper), int(lower)), record.pickup_beats)
    return np.array([tokenizer.bos, *tokenizer.encode(score), tokenizer.eos], dtype=np.int32)


class ScoreRuns(Dataset):
    """Cuts runs of `length` tokens; training draws where they begin.

    A last run of less than a quarter of the length is left out, unless the piece is wanted `whole`.
    """

    def __init__(
        self,
        records: Sequence[Record],
        tokens: dict[str, np.ndarray],
        view: ScoreView,
        *,
        seed: int,
        draw: bool,
        whole: bool = False,
        most: int | None = None,
        augments: Sequence[ScoreAugment] = (),
        giver: Giver | None = None,
    ) -> None:
        self.tokens = tokens
        self.view = view
        self.seed = seed
        self.draw = draw
        self.augments = augments
        self.giver = giver
        spare = 0 if whole else view.length // 4
        starts = [
            (record, start)
            for record in records
            if record.id in tokens
            for start in range(0, max(1, len(tokens[record.id]) - spare), view.length)
        ]
        if most is not None and len(starts) > most:
            starts = [starts[i * len(starts) // most] for i in range(most)]
        self.starts = starts

    def __len__(self) -> int:
        return len(self.starts)

    def records(self) -> list[Record]:
        """Return the record of each item."""
        return [record for record, _ in self.starts]

    def __getitem__(self, key: tuple[int, int]) -> tuple[Crop, Tensor]:
        epoch, index = key
        record, start = self.starts[index]
        whole = self.tokens[record.id]
        generator = seeded(self.seed, epoch, index)
        if self.draw and len(whole) > self.view.length:
            # half of the runs begin at the beginning, so that the model learns how tunes open
            latest = len(whole) - self.view.length + 1
            drawn = int(torch.randint(-latest, latest, (), generator=generator))
            start = max(0, drawn)
        tokens = torch.from_numpy(whole[start : start + self.view.length].astype(np.int64))
        for augment in self.augments:
            tokens = augment(tokens, generator, self.view.tokenizer.pitches)
        crop = Crop(record, 0.0, record.duration)
        return (crop if self.giver is None else self.giver.give(crop, key)), tokens

    def collate(self, items: Sequence[tuple[Crop, Tensor]]) -> ScoreBatch:
        """Pad to the view's length."""
        tokens = torch.full((len(items), self.view.length), self.view.tokenizer.pad)
        for row, (_, one) in zip(tokens, items, strict=True):
            row[: len(one)] = one
        return ScoreBatch(
            tokens=tokens,
            valid=torch.tensor([len(one) for _, one in items]),
            conditions=conditions_of([crop for crop, _ in items]),
        )
