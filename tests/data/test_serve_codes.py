"""Codec tokens are made once per content of a file and cut where the crop lies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from disco.audio.io import write_clip
from disco.core.record import read_manifest
from disco.core.views import CodeView
from disco.data.code_cache import CodeCache
from tests.data.folder import LevelCodec, ramp, record, serving, write

RECORDS = [
    record("reel", 8.0, tempo=120.0, metre="4/4", pickup_beats=1.0),
    record("air", 3.0),
    record("held", 4.0, split="val"),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, RECORDS)
    return tmp_path


def test_only_what_changed_is_encoded_again(root: Path) -> None:
    codec = LevelCodec()
    cache = CodeCache(root / "cache", codec)
    assert cache.fill(root, RECORDS) == 3
    before = {name: codes.copy() for name, codes in cache.open(root, RECORDS).items()}
    assert CodeCache(root / "cache", codec).fill(root, RECORDS) == 0
    assert codec.encoded == 3

    write_clip(root / RECORDS[1].file_path, ramp(3.0, top=0.5))
    assert cache.fill(root, RECORDS) == 1
    assert codec.encoded == 4
    after = cache.open(root, RECORDS)
    assert (after["reel"] == before["reel"]).all()
    assert (after["held"] == before["held"]).all()
    assert after["air"].max() == round(0.5 * 63)
    assert before["air"].max() == round(0.9 * 63)


def test_a_file_that_moved_is_known_by_its_sound(root: Path) -> None:
    codec = LevelCodec()
    cache = CodeCache(root / "cache", codec)
    cache.fill(root, RECORDS)
    moved = replace(RECORDS[0], id="other", file_path="elsewhere.wav")
    (root / RECORDS[0].file_path).rename(root / "elsewhere.wav")
    assert cache.fill(root, [moved]) == 0
    assert len(cache.open(root, [moved])["other"]) == 160


def test_another_codec_has_a_cache_of_its_own(root: Path) -> None:
    one, other = LevelCodec(), LevelCodec()
    other.fingerprint = "other-weights"
    assert CodeCache(root / "cache", one).fill(root, RECORDS) == 3
    assert CodeCache(root / "cache", other).fill(root, RECORDS) == 3


def test_tokens_are_those_of_the_crops_place(root: Path) -> None:
    data = serving(root, CodeView(LevelCodec(), 2.0)).dataset("train")
    for epoch in range(3):
        for index in range(len(data)):
            crop, codes = data[epoch, index]
            seconds = crop.start + (torch.arange(codes.shape[1]) + 1) / 20
            wanted = 0.9 * seconds.clamp(max=crop.record.duration) / crop.record.duration * 63
            assert (codes[0] - wanted).abs().max() <= 1.0


def test_a_survey_counts_every_frame_once(root: Path) -> None:
    data = serving(root, CodeView(LevelCodec(), 2.0))
    batches = list(data.survey())
    assert sum(int(batch.valid.sum()) for batch in batches) == (8 + 3) * 20
    assert all((batch.codes[i, :, n:] == 0).all() for batch in batches for i, n in enumerate(batch.valid))
    assert {record.split for record in read_manifest(data.manifest)} == {"train", "val"}
