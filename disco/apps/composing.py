"""Configs as the command line composes them, without a command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

from disco.apps.launch import CONF


def compose_app(app: str, words: Sequence[str], *, hydra: bool = False) -> DictConfig:
    """Compose the config of a program from the words after its name; `hydra` adds Hydra's own settings."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(app, list(words), return_hydra_config=hydra)


def compose_run(app: str, words: Sequence[str], run_dir: Path) -> DictConfig:
    """Compose the config of a run in `run_dir`, ready for the program's `main`."""
    folder = str(run_dir).replace("'", "\\'")
    cfg = compose_app(app, [*words, f"run_dir='{folder}'"], hydra=True)
    HydraConfig.instance().set_config(cfg)
    with open_dict(cfg):
        del cfg["hydra"]
    OmegaConf.set_struct(cfg, value=True)
    return cfg
