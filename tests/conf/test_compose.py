"""Every option of every group composes, takes its place, and fits the signatures it calls."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from disco.apps.compose import check
from disco.apps.launch import CONF

APPS = sorted(path.stem for path in CONF.glob("*.yaml"))
# Groups that are not train.py's.
APP_OF = {
    "prepare": "prepare",
    "stage": "prepare",
    "executor": "prepare",
    "metric": "evaluate",
    "embedder": "evaluate",
    "guidance": "generate",
    "to": "export",
    "ensemble": "generate",
}
# Groups that exist inside an option of another: that option, and how the command line calls them there.
INSIDE = {
    "model/pattern": ("model=musicgen", "model/pattern"),
    "model/body": ("model=autoencoder", "model/body@model"),
    "experiment/paper": ("seed=0", "+experiment/paper"),
    "weights/demo": ("weights=demo", "weights/demo@weights"),
}
INJECTED = {
    "model": ("terms", "recipe", "codec", "conditioners"),
    "data": ("augments",),
    "codec": ("autoencoder",),
    "prepare": ("stages", "executor"),
    "trainer": ("callbacks", "logger"),
}
OPTIONS = sorted(
    path.relative_to(CONF)
    for path in CONF.rglob("*.yaml")
    if path.parent != CONF and "hydra" not in path.relative_to(CONF).parts  # Hydra builds its own
)


def check_all(cfg: DictConfig) -> None:
    """Check every node that would be built, with what the apps inject."""
    for key in OmegaConf.missing_keys(cfg):
        OmegaConf.update(cfg, key, "somewhere")
    if "trainer" in cfg and cfg.trainer.precision == "auto":
        cfg.trainer.precision = "32-true"  # train.py settles it by what the processor can do
    for group, node in cfg.items():
        if not isinstance(node, DictConfig):
            continue
        if "_target_" in node:
            check(node, str(group), injected=INJECTED.get(str(group), ()))
            continue
        for name, one in node.items():
            if isinstance(one, DictConfig) and "_target_" in one:
                check(one, f"{group}.{name}")


def targets(node: object) -> Iterator[str]:
    """Yield what a config would build, at any depth."""
    if isinstance(node, dict):
        if "_target_" in node:
            yield node["_target_"]
        for value in node.values():
            yield from targets(value)


def is_many(app: str, group: str) -> bool:
    defaults = OmegaConf.to_container(OmegaConf.load(CONF / f"{app}.yaml").defaults)
    return any(isinstance(entry, dict) and isinstance(entry.get(group), list) for entry in defaults)


@pytest.mark.parametrize("app", APPS)
def test_app_composes_and_fits_its_targets(app: str, composed) -> None:
    check_all(composed(app))


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: str(option.with_suffix("")))
def test_option_composes_takes_its_place_and_fits_its_targets(option: Path, composed) -> None:
    group = str(option.parent)
    app = "evaluate" if option.stem.startswith("eval_") else APP_OF.get(group, "train")
    choice = f"[{option.stem}]" if is_many(app, group) else option.stem
    host, name = INSIDE.get(group, ("seed=0", group)) if app == "train" else ("run_dir=none", group)
    cfg = composed(app, host, f"{name}={choice}")
    check_all(cfg)
    written = set(targets(OmegaConf.to_container(OmegaConf.load(CONF / option))))
    assert written <= set(targets(OmegaConf.to_container(cfg))), "what it says stands in the config"
    if is_many(app, group):
        (name,) = {*OmegaConf.load(CONF / option)} - {"defaults"}
        assert list(cfg[group]) == [name], "one named key, so that settings of several do not collide"
