"""Where adapters go and what they start from, when nobody says."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from disco.apps import train
from disco.apps.parts import how_to_get_a_base
from disco.errors import DiscoError


def test_the_demos_autoencoder_is_its_codec(composed) -> None:
    assert composed("train", "model=autoencoder", "adapter=lora").weights.run == "outputs/demo/codec"
    plain = composed("train", "model=musicgen", "adapter=lora")
    assert "choices.model" in OmegaConf.to_yaml(plain.weights)


def test_who_misses_a_base_is_told_how_to_train_this_one(composed, tmp_path: Path) -> None:
    missing = ("adapter=lora", "weights=run", f"weights.run={tmp_path}")
    with pytest.raises(DiscoError) as slip:
        train.main(composed("train", "model=autoencoder", *missing))
    assert "train.py model=autoencoder`" in slip.value.do
    assert "make demo" in how_to_get_a_base("symbolic")
    assert "make demo" not in how_to_get_a_base("audiogen")
