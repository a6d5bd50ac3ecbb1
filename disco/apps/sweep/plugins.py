"""Makes our sweeper and launchers known to Hydra, which builds plugins of one namespace only."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins

from disco.apps.sweep.optuna_sweeper import OptunaSweeper
from disco.apps.sweep.process_launcher import ProcessLauncher
from disco.apps.sweep.slurm_launcher import LocalLauncher, SlurmLauncher

SPACE, OURS = "hydra_plugins", "disco_musica"


def register_plugins() -> None:
    """Put them where Hydra looks: in `hydra_plugins.disco_musica`, a module that no file stands for."""
    try:
        space = importlib.import_module(SPACE)
    except ImportError:  # no other plugin is installed
        space = sys.modules[SPACE] = ModuleType(SPACE)
        space.__path__ = []
    ours = sys.modules[f"{SPACE}.{OURS}"] = ModuleType(f"{SPACE}.{OURS}")
    setattr(space, OURS, ours)
    for plugin in (OptunaSweeper, ProcessLauncher, SlurmLauncher, LocalLauncher):
        setattr(ours, plugin.__name__, plugin)
        Plugins.instance().register(plugin)
    stored = ConfigStore.instance().repo.get("hydra", {}).get("launcher", {})
    stored.pop(
        "submitit_local.yaml", None
    )  # of the plugin: it would be the schema of our option of that name
