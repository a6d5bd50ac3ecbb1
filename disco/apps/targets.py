"""What a config may build: the classes and functions that the options of `conf/` name, and nothing else.

A config can come from elsewhere, with a run folder or a checkpoint. It is data: naming a function in it
must not be a way to call one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from disco.apps.launch import CONF
from disco.errors import DiscoError

NAMED = re.compile(r"^[^#\n]*?_target_:\s*['\"]?([\w.]+)", re.MULTILINE)
# What they are, wherever they are imported to.
FOREIGN = {
    "lightning.Trainer": "lightning.pytorch.trainer.trainer.Trainer",
    "lightning.pytorch.loggers.TensorBoardLogger": "lightning.pytorch.loggers.tensorboard.TensorBoardLogger",
    "lightning.pytorch.loggers.CSVLogger": "lightning.pytorch.loggers.csv_logs.CSVLogger",
    "lightning.pytorch.strategies.DDPStrategy": "lightning.pytorch.strategies.ddp.DDPStrategy",
    "lightning.pytorch.strategies.ModelParallelStrategy": (
        "lightning.pytorch.strategies.model_parallel.ModelParallelStrategy"
    ),
    "lightning.pytorch.callbacks.Timer": "lightning.pytorch.callbacks.timer.Timer",
}


@cache
def allowed() -> Mapping[str, str]:
    """Return what may be named, and the identity that it must turn out to have."""
    files = [path for path in CONF.rglob("*.yaml") if "hydra" not in path.relative_to(CONF).parts]
    named = {name for path in files for name in NAMED.findall(path.read_text(encoding="utf-8"))}
    ours = {name: name for name in named if name.startswith("disco.")}
    return {**ours, **FOREIGN}


def resolve(dotted: Any, path: str) -> Callable[..., Any]:
    """Return the class or function that a target names, if it is one that a config may build.

    Nothing is imported for a name that is not allowed, and the name is not believed: what it leads to
    must be what it says.

    Raises:
        DiscoError: the target is not allowed, or is not there.
    """
    refusal = DiscoError(
        f"{path}._target_={dotted}: a config may not build this",
        do="use a class that an option in conf/ names",
    )
    identity = allowed().get(dotted) if isinstance(dotted, str) else None
    if identity is None:
        raise refusal
    module, _, name = dotted.rpartition(".")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise DiscoError(
            f"{path}._target_={dotted}: {error}", do="install what it names, or choose another"
        ) from error
    if f"{found.__module__}.{found.__qualname__}" != identity:
        raise refusal
    return found


def check_targets(node: Any, path: str) -> None:
    """Refuse a tree in which anything would be built that a config may not build, however deep it lies.

    Raises:
        DiscoError: names the key.
    """
    for where, target in _targets(node, path):
        resolve(target, where)


def _targets(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping):
        if "_target_" in node:
            yield path, node["_target_"]
        for key, value in node.items():
            yield from _targets(value, f"{path}.{key}")
    elif isinstance(node, list | tuple):
        for place, value in enumerate(node):
            yield from _targets(value, f"{path}[{place}]")
