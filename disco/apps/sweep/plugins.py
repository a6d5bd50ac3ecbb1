"""Makes our sweeper and launcher known to Hydra, which builds plugins of one namespace only."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

from hydra.core.plugins import Plugins

from disco.apps.sweep.optuna_sweeper import OptunaSweeper
from disco.apps.sweep.process_launcher import ProcessLauncher

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
    for plugin in (OptunaSweeper, ProcessLauncher):
        setattr(ours, plugin.__name__, plugin)
        Plugins.instance().register(plugin)
