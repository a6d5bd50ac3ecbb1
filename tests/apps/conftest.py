"""Small trained runs, made once: a score model, a codec, and a language model over its tokens."""

from __future__ import annotations

from pathlib import Path

import pytest

from disco.apps import train
from tests.composing import composed_config
from tests.tiny_runs import TINY_CODEC, TINY_MUSICGEN, TINY_SYMBOLIC


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


def trained(folder: Path, *words: str) -> Path:
    train.main(composed_config("train", [*words, "trainer.max_steps=4"], folder))
    return folder


@pytest.fixture(scope="session")
def symbolic_run(runs: Path, corner: list[str]) -> Path:
    return trained(runs / "symbolic", *TINY_SYMBOLIC, *corner)


@pytest.fixture(scope="session")
def codec_run(runs: Path, corner: list[str]) -> Path:
    return trained(runs / "codec", *TINY_CODEC, *corner)


@pytest.fixture(scope="session")
def musicgen_run(runs: Path, corner: list[str], codec_run: Path) -> Path:
    return trained(runs / "musicgen", *TINY_MUSICGEN, *corner, "codec=run", f"codec.run={codec_run}")


@pytest.fixture(scope="session")
def lora_run(runs: Path, corner: list[str], musicgen_run: Path) -> Path:
    """An adapter that changes what is played at once."""
    words = ["weights=run", f"weights.run={musicgen_run}", "adapter=lora", "adapter.sites=[query,value,head]"]
    return trained(runs / "lora", *TINY_MUSICGEN, *corner, *words, "adapter.rank=2", "optim.lr=0.5")
