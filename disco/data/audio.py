"""A prepared folder: `metadata/manifest.jsonl` and the files it names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from disco.core.contracts import Augment, PairAugment, ScoreAugment, WaveAugment, WordAugment
from disco.core.datamodule import MusicData
from disco.core.ranges import NaturalFloat, NaturalInt, PositiveInt
from disco.core.record import MANIFEST, Record, read_manifest
from disco.core.views import AudioView, CodeView, ScoreView
from disco.data.balance import balanced
from disco.data.code_cache import CodeCache
from disco.data.crops import CropPlan, refuse_short
from disco.data.given import Giver
from disco.data.part import part_of
from disco.data.serve_audio import AudioCrops
from disco.data.serve_codes import CodeCrops
from disco.data.serve_scores import ScoreRuns, tokenized
from disco.data.serve_words import WordedItems
from disco.errors import DiscoError


class ManifestData(MusicData):
    """Serves a folder that `scripts/prepare.py` made.

    Args:
        root: the folder.
        val_items: at most this many validation and test items.
        balance_by: a field of the records (`genre`, `artist`, `key`, …) whose values are drawn in training
            by their share to the power of `balance_power`: 1 as they are, 0 all alike; None draws every
            item once.
        allow_missing: fields that pieces may lack although a conditioner reads them (`caption`).
        augments: by name; each applies to the view that it understands, in training only.
        length_buckets: training batches are of pieces of like length, padded to one of so many lengths;
            1 pads every batch to what the model asks for.
    """

    def __init__(
        self,
        *,
        root: str,
        batch_size: PositiveInt,
        num_workers: NaturalInt,
        seed: int,
        val_items: PositiveInt,
        balance_by: str | None,
        balance_power: NaturalFloat,
        allow_missing: Sequence[str],
        augments: Mapping[str, Augment],
        length_buckets: PositiveInt = 1,  # runs that were saved before it lack the key
    ) -> None:
        super().__init__(batch_size=batch_size, num_workers=num_workers, seed=seed)
        self.length_buckets = length_buckets
        self.root = Path(root)
        self.val_items = val_items
        self.balance_by = balance_by
        self.balance_power = balance_power
        self.allow_missing = tuple(allow_missing)
        self.augments = augments
        self._served: dict[str, Any] = {}

    @property
    def manifest(self) -> Path:
        """The file that lists the records."""
        return self.root / MANIFEST

    def records(self, split: str) -> list[Record]:
        """Return the records of one split."""
        wanted = "train" if split == "survey" else split
        found = [r for r in read_manifest(self.manifest) if r.split == wanted and self.serves(r)]
        return part_of(found, self.fraction, self.seed) if wanted == "train" else found

    def serves(self, record: Record) -> bool:
        """Return whether a piece is one of those that were asked for."""
        return True

    def prepare_data(self) -> None:
        """Fill the token cache, once, before the processes need it."""
        if isinstance(self.view, CodeView):
            records = read_manifest(self.manifest)
            CodeCache(self.root / "audio" / "features", self.view.codec).fill(self.root, records)

    def dataset(self, split: str) -> Dataset:
        """Return the items of one split in the asked view."""
        if split not in self._served:
            items = self._servers()[type(self.view)](split)
            words = [augment for augment in self.augments.values() if isinstance(augment, WordAugment)]
            worded = words and split == "train"
            self._served[split] = WordedItems(items, words, self.seed) if worded else items
        return self._served[split]

    def collate(self, items: list[Any]) -> Any:
        """Join items as their view does."""
        return next(iter(self._served.values())).collate(items)

    def weights(self, split: str) -> Sequence[float] | None:
        """Return how often each item of a split is drawn beside the others; None draws each once."""
        if self.balance_by is None:
            return None
        return balanced(self.dataset(split).records(), self.balance_by, self.balance_power)  # type: ignore[attr-defined]

    def lengths(self, split: str) -> Sequence[float]:
        """Return the most that each item can have of the view's length: all of it, or the whole piece."""
        data: Any = self.dataset(split)
        if isinstance(self.view, ScoreView):
            return [min(1.0, len(data.tokens[one.id]) / self.view.length) for one in data.records()]
        assert isinstance(self.view, AudioView | CodeView)
        return [min(1.0, one.duration / self.view.seconds) for one in data.records()]

    def _servers(self) -> dict[type, Callable[[str], Any]]:
        return {AudioView: self._audio, CodeView: self._codes, ScoreView: self._scores}

    def _plan(self, split: str, seconds: float) -> CropPlan:
        records = self.records(split)
        if split == "train":
            refuse_short(records, seconds)
        return CropPlan(
            records,
            seconds=seconds,
            seed=self.seed,
            draw=split == "train",
            whole=split == "survey",
            most=self._most(split),
        )

    def _most(self, split: str) -> int | None:
        return None if split in ("train", "survey") else self.val_items

    def _audio(self, split: str) -> AudioCrops:
        assert isinstance(self.view, AudioView)
        training = split == "train"
        fitting = [a for a in self.augments.values() if isinstance(a, WaveAugment | PairAugment)]
        augments = fitting if training else []
        return AudioCrops(self.root, self.view, self._plan(split, self.view.seconds), augments)

    def _codes(self, split: str) -> CodeCrops:
        assert isinstance(self.view, CodeView)
        for name, augment in self.augments.items():
            if isinstance(augment, PairAugment):
                raise DiscoError(
                    f"augment={name} joins waveforms, and this model reads tokens that were encoded once",
                    do="set model.waves=true, which encodes in every step",
                )
        cache = CodeCache(self.root / "audio" / "features", self.view.codec)
        codes = cache.open(self.root, self.records(split))
        giver = Giver(self.root, self.view.wants, self.seed)
        return CodeCrops(codes, self.view, self._plan(split, self.view.seconds), giver)

    def _scores(self, split: str) -> ScoreRuns:
        assert isinstance(self.view, ScoreView)
        records = self.records(split)
        if not any(record.midi_path for record in records):
            raise DiscoError(
                f"{self.root} holds no scores", do="prepare MIDI files, or choose a model that reads audio"
            )
        folder = self.root / "midi" / "tokenized"
        training = split == "train"
        return ScoreRuns(
            records,
            tokenized(self.root, records, self.view.tokenizer, folder),
            self.view,
            seed=self.seed,
            draw=training,
            whole=split == "survey",
            most=self._most(split),
            augments=[a for a in self.augments.values() if isinstance(a, ScoreAugment)] if training else [],
            giver=Giver(self.root, self.view.wants, self.seed),
        )
