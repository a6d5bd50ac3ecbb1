"""Two sounds at once reach a model as one waveform and one caption, in training only."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from disco.augment.mix import Mix
from disco.core.views import AudioView, CodeView
from disco.errors import DiscoError
from tests.data.folder import RATE, LevelCodec, record, serving, write

VIEW = AudioView(rate=RATE, channels=1, seconds=2.0)


def mix(share: float = 1.0) -> dict[str, Mix]:
    return {"mix": Mix(share=share, min_snr_db=0.0, max_snr_db=0.0, min_overlap=1.0)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    facts = {"key": "Dmaj", "tempo": 100.0, "metre": "4/4"}
    records = [
        record("dog", 2.0, caption="a dog barks", **facts),
        record("rain", 2.0, caption="rain falls", **facts),
        record("held", 2.0, caption="a bell", split="val", **facts),
    ]
    write(tmp_path, records)
    return tmp_path


def test_a_mixture_is_both_sounds_and_both_captions(root: Path) -> None:
    crop, wave = serving(root, VIEW, augments=mix()).dataset("train")[0, 0]
    plain, alone = serving(root, VIEW).dataset("train")[0, 0]
    assert plain.record.caption == "a dog barks"
    assert crop.record.caption == "a dog barks and rain falls"
    assert (crop.record.key, crop.record.tempo, crop.record.metre) == (None, None, None)
    assert torch.allclose(wave, (2 * alone).clamp(max=2) / max(1.0, 2 * float(alone.max())), atol=1e-3)


def test_the_same_epoch_mixes_the_same_sounds(root: Path) -> None:
    one, again = (serving(root, VIEW, augments=mix(0.5)).dataset("train") for _ in range(2))
    for key in [(epoch, item) for epoch in range(5) for item in range(2)]:
        assert torch.equal(one[key][1], again[key][1])
        assert one[key][0].record.caption == again[key][0].record.caption
    said = {one[epoch, 0][0].record.caption for epoch in range(8)}
    assert said == {"a dog barks", "a dog barks and rain falls"}


def test_only_training_is_mixed(root: Path) -> None:
    data = serving(root, VIEW, augments=mix())
    for split in ("val", "survey"):
        assert " and " not in str(data.dataset(split)[0, 0][0].record.caption)


def test_tokens_that_were_encoded_once_cannot_be_mixed(root: Path) -> None:
    with pytest.raises(DiscoError, match=r"augment=mix joins waveforms.*model\.waves=true"):
        serving(root, CodeView(LevelCodec(), 2.0), augments=mix()).dataset("train")
