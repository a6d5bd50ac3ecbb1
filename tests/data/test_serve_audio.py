"""Waveform crops hold the sound of their place in the file, at the model's rate."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from disco.augment.gain import Gain
from disco.core.views import AudioView
from tests.data.folder import RATE, record, serving, write

VIEW = AudioView(rate=4000, channels=2, seconds=2.0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, [record("long", 9.0), record("short", 1.0), record("held", 4.0, split="val")])
    return tmp_path


def test_a_crop_sounds_like_its_place_in_the_file(root: Path) -> None:
    data = serving(root, VIEW).dataset("train")
    for index in range(len(data)):
        crop, wave = data[3, index]
        assert wave.shape[0] == 2
        slope = 0.9 / crop.record.duration
        middle = wave.shape[1] // 2
        assert wave[0, middle].item() == pytest.approx(slope * (crop.start + middle / 4000), abs=2e-3)


def test_short_files_are_filled_up_with_silence_that_does_not_count(root: Path) -> None:
    data = serving(root, AudioView(rate=RATE, channels=1, seconds=2.0), batch_size=8)
    (batch,) = data.survey()
    assert batch.wave.shape == (6, 1, 2 * RATE)
    assert (batch.valid / RATE).tolist() == [2, 2, 2, 2, 1, 1]
    assert batch.wave[-1, :, RATE:].abs().max() == 0
    heard = torch.cat([row[0, :valid] for row, valid in zip(batch.wave[:5], batch.valid[:5], strict=True)])
    assert torch.allclose(heard, torch.linspace(0, 0.9, 9 * RATE), atol=1e-4), "the long file, end to end"


def test_only_training_is_varied(root: Path) -> None:
    quiet = {"gain": Gain(min_db=-20.0, max_db=-20.0)}
    plain, varied = serving(root, VIEW), serving(root, VIEW, augments=quiet)
    assert torch.allclose(varied.dataset("train")[0, 0][1], 0.1 * plain.dataset("train")[0, 0][1], atol=1e-6)
    for split in ("val", "survey"):
        assert torch.equal(varied.dataset(split)[0, 0][1], plain.dataset(split)[0, 0][1])


def test_a_batch_read_at_once_is_that_of_its_items(root: Path) -> None:
    data = serving(root, VIEW).dataset("train")
    keys = [(epoch, index) for epoch in range(3) for index in range(len(data))]
    at_once, joined = data.collate(data.__getitems__(keys)), data.collate([data[key] for key in keys])
    assert torch.equal(at_once.wave, joined.wave)
    assert torch.equal(at_once.valid, joined.valid)
    assert at_once.valid.min() < at_once.valid.max() == at_once.wave.shape[-1], "a short file is among them"
    for (_, one), row, valid in zip(data.__getitems__(keys), at_once.wave, at_once.valid, strict=True):
        assert torch.equal(one, row[:, :valid])
        assert not row[:, valid:].any()


def test_workers_serve_what_the_process_itself_would(root: Path) -> None:
    here = list(serving(root, VIEW).train_dataloader())
    there = serving(root, VIEW)
    there.num_workers = 1
    for one, other in zip(here, there.train_dataloader(), strict=True):
        assert torch.equal(one.wave, other.wave)
