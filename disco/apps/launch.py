"""From the command line to a checked config; a slip is answered with the nearest right word and exit 2."""

from __future__ import annotations

import errno
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode

from disco.apps.advisories import check_advisories
from disco.apps.generate_words import plainly
from disco.apps.places import check_places
from disco.apps.resume import going_on
from disco.apps.sweep.plugins import register_plugins
from disco.apps.sweep.slurm_launcher import DRY_RUN, printed_only
from disco.apps.sweep.typed import going_on as sweep_going_on
from disco.apps.typed_keys import check_keys
from disco.callbacks.requeue import hold_warnings
from disco.errors import DiscoError

if TYPE_CHECKING:
    from omegaconf import DictConfig

UNWRITABLE = (errno.EACCES, errno.EROFS, errno.ENOSPC, errno.ENOTDIR, errno.EDQUOT, errno.EFBIG)
CONF = Path(__file__).resolve().parents[2] / "conf"


def launch(app: str) -> None:
    """Run `disco.apps.<app>.main` on the config that the command line composes from `conf/<app>.yaml`.

    Nothing heavy is imported before the config stands, so `--help` and `--cfg job` answer at once.
    """
    if {"--help", "-h"} & set(sys.argv[1:]):
        from disco.apps.help import help_text

        sys.stdout.write(help_text(app))
        return
    if app == "train":
        hold_warnings()
    settle_environment()

    def body(cfg: DictConfig) -> object:
        return _work(app, cfg)

    try:
        register_plugins()
        if app == "train":
            words = [word for word in sys.argv[1:] if word != DRY_RUN]
            dry, words = len(words) < len(sys.argv[1:]), going_on(sweep_going_on(words))
            sys.argv[1:] = printed_only(words) if dry else words
        if app in ("generate", "play"):
            sys.argv[1:] = plainly(sys.argv[1:])
        check_advisories()
        check_places(sys.argv[1:])
        check_keys(sys.argv[1:], CONF, app)
        hydra.main(version_base="1.3", config_path=str(CONF), config_name=app)(body)()
    except HydraException as error:
        from disco.apps.slips import explain  # only after a slip

        refuse(explain(error, app, sys.argv[1:]))
    except DiscoError as error:
        refuse(error)
    except OSError as error:
        if error.errno not in UNWRITABLE or error.filename is None:
            raise
        refuse(DiscoError(f"{error.filename}: {error.strerror}", do="write elsewhere with hydra.run.dir=…"))


def settle_environment() -> None:
    """Set what libraries read when they are imported, where the user has not."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # errors come here, not to Hydra's printer
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    # OpenMP threads that wait by spinning for long halve the speed where another process wants a core.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")


def _work(app: str, cfg: DictConfig) -> object:
    work, sweeps = import_module(f"disco.apps.{app}").main, HydraConfig.get().mode == RunMode.MULTIRUN
    if sweeps and app == "train":
        return import_module("disco.apps.sweep.attempt").attempt(cfg, work)
    try:
        return work(cfg)
    except DiscoError as error:
        if not sweeps:
            refuse(error)
        sys.stderr.write(f"error: {error}\n")  # the other runs of the sweep go on
        return None


def refuse(error: DiscoError) -> NoReturn:
    """Say what is wrong in one line and exit with 2."""
    sys.stderr.write(f"error: {error}\n")
    raise SystemExit(2)
