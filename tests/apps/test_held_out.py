"""Held-out crops and their notes, and losses that can be worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from disco.apps.held_out import hold_out
from disco.apps.losses import language_losses
from disco.apps.parts import build_data, build_module
from disco.core.views import AudioView
from disco.errors import DiscoError
from tests.data.folder import record, serving, write
from tests.tiny_runs import TINY_SYMBOLIC


def test_crops_are_spread_over_the_records_and_sound_like_their_place(tmp_path: Path) -> None:
    lengths = {"a": 6.0, "b": 6.0, "c": 6.0, "short": 1.0}
    write(tmp_path, [record(name, seconds, split="test") for name, seconds in lengths.items()])
    data = serving(tmp_path, AudioView(rate=8000, channels=1, seconds=2.0))
    held = hold_out(data, "test", seconds=2.0, count=3)
    assert len(held.takes) == len(held.conditions) == 3
    for take in held.takes:
        assert take.sound.seconds == take.seconds == 2.0
    with pytest.raises(DiscoError, match="no record of 10"):
        hold_out(data, "test", seconds=10.0, count=3)


def test_the_notes_of_a_crop_are_those_that_sound_in_it(composed, corner: list[str]) -> None:
    data = build_data(composed("train", *TINY_SYMBOLIC, *corner))
    data.prepare_data()
    for take in hold_out(data, "train", seconds=3.0, count=4).takes:
        assert take.notes is not None
        assert len(take.notes) > 2
        assert take.notes.onset.min() >= 0
        assert take.notes.offset.max() <= 3.0
        for onset in take.notes.onset[take.notes.onset < 2.8]:
            attack = take.sound.wave[0, int(16000 * onset) : int(16000 * onset) + 2400]
            assert attack.abs().max() > 0.01, "a note is heard where it stands"


@pytest.mark.slow
def test_a_model_that_knows_nothing_is_as_surprised_as_its_vocabulary_is_large(
    composed, corner: list[str]
) -> None:
    cfg = composed("train", *TINY_SYMBOLIC, *corner)
    module = build_module(cfg, training=True).eval()
    data = build_data(cfg).serve(module.view)
    data.prepare_data()
    with torch.no_grad():
        module.head.weight.zero_()
    found = language_losses(module, data, "val")
    size = np.log(module.tokenizer.vocabulary)
    assert found["loss"] == pytest.approx(size, rel=1e-5)
    assert found["loss_shuffled"] == pytest.approx(size, rel=1e-5)
    assert found["loss_ngram"] < found["loss_unigram"] < size
