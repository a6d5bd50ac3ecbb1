"""What several tests share: composed configs, a corner of the corpus, one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from tests import annotation_checks
from tests.composing import composed_config

assert annotation_checks

Compose = Callable[..., DictConfig]


@pytest.fixture(autouse=True, scope="session")
def _few_threads() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def composed(tmp_path: Path) -> Iterator[Compose]:
    """Compose an app's config as the command line would, into a folder of this test."""

    def make(app: str, *overrides: str) -> DictConfig:
        return composed_config(app, list(overrides), tmp_path / "run")

    yield make
    GlobalHydra.instance().clear()


@pytest.fixture(scope="session")
def corner(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The overrides that serve a minute and a half of the demo corpus, rendered once per session."""
    folder = tmp_path_factory.mktemp("demo")
    return [f"data.root={folder}", "data.hours=0.025", "data.max_seconds=9.0", "data.rate=16000"]
