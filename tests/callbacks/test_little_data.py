"""Data sets of no item, of less than a batch, of one: trained on, or refused before the first step."""

import pytest
import torch

from disco.core.batch import AudioBatch, Conditions
from disco.core.datamodule import MusicData
from disco.errors import DiscoError
from tests.callbacks.toy_models import RATE, ToyAudio, keeper, trainer_for


class Tones(MusicData):
    """So many tones for training and for validation."""

    def __init__(self, train, val):
        super().__init__(batch_size=4, num_workers=0, seed=0)
        self.sizes = {"train": train, "val": val, "survey": train}

    def records(self, split):
        return []

    def dataset(self, split):
        size = self.sizes[split]

        class Items(torch.utils.data.Dataset):
            def __len__(self):
                return size

            def __getitem__(self, at):
                return torch.full((1, 800), 0.1 * (at[1] + 1))

        return Items()

    def collate(self, items):
        said = Conditions(text=[None] * len(items))
        wave = torch.stack(items)
        return AudioBatch(wave=wave, valid=torch.full((len(items),), 800), rate=RATE, conditions=said)


class Counting(ToyAudio):
    steps = 0

    def training_step(self, batch, batch_index):
        self.steps += 1
        assert len(batch) == 4
        return super().training_step(batch, batch_index)


def fitted(train, val, folder):
    module = Counting()
    data = Tones(train, val).serve(module.view)
    trainer_for(folder, [keeper()], logger=False, steps=3, every_batches=1).fit(module, datamodule=data)
    return module.steps


@pytest.mark.parametrize(("train", "val", "split"), [(0, 4, "train"), (4, 0, "val")])
def test_an_empty_split_is_refused_before_the_first_step(train, val, split, tmp_path, monkeypatch):
    monkeypatch.setattr(Counting, "training_step", lambda *arguments: pytest.fail("a step was made"))
    with pytest.raises(DiscoError, match=f"the {split} split is empty"):
        fitted(train, val, tmp_path)


@pytest.mark.parametrize("train", [1, 3, 5])
def test_less_than_a_batch_is_repeated_and_more_than_one_is_cut(train, tmp_path):
    assert fitted(train, 1, tmp_path) == 3
