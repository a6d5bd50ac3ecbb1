"""From the command line to a checked config; a slip is answered with the nearest right word and exit 2."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode

from disco.errors import DiscoError

if TYPE_CHECKING:
    from omegaconf import DictConfig

CONF = Path(__file__).resolve().parents[2] / "conf"


def launch(app: str) -> None:
    """Run `disco.apps.<app>.main` on the config that the command line composes from `conf/<app>.yaml`.

    Nothing heavy is imported before the config stands, so `--help` and `--cfg job` answer at once.
    """
    if {"--help", "-h"} & set(sys.argv[1:]):
        from disco.apps.help import help_text

        sys.stdout.write(help_text(app))
        return
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # errors come here, not to Hydra's printer
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

    def body(cfg: DictConfig) -> object:
        try:
            return import_module(f"disco.apps.{app}").main(cfg)
        except DiscoError as error:
            if HydraConfig.get().mode == RunMode.RUN:
                _refuse(error)
            sys.stderr.write(f"error: {error}\n")  # the other runs of the sweep go on
            return None

    try:
        hydra.main(version_base="1.3", config_path=str(CONF), config_name=app)(body)()
    except HydraException as error:
        from disco.apps.slips import explain  # only after a slip

        _refuse(explain(error, app, sys.argv[1:]))


def _refuse(error: DiscoError) -> NoReturn:
    sys.stderr.write(f"error: {error}\n")
    raise SystemExit(2)
