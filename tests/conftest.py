"""What several tests share: composed configs, a small corpus, two threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

from disco.apps.launch import CONF

Compose = Callable[..., DictConfig]


@pytest.fixture(autouse=True, scope="session")
def _few_threads() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def composed(tmp_path: Path) -> Iterator[Compose]:
    """Compose an app's config as the command line would, into a folder of this test."""

    def make(app: str, *overrides: str) -> DictConfig:
        GlobalHydra.instance().clear()
        with initialize_config_dir(str(CONF), version_base="1.3"):
            cfg = compose(app, [*overrides, f"run_dir={tmp_path / 'run'}"], return_hydra_config=True)
        HydraConfig.instance().set_config(cfg)
        with open_dict(cfg):
            del cfg["hydra"]
        OmegaConf.set_struct(cfg, True)
        return cfg

    yield make
    GlobalHydra.instance().clear()
