"""What the user probably meant, when a config does not compose."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from disco.apps.composing import compose_app
from disco.apps.launch import CONF
from disco.errors import DiscoError


def explain(error: HydraException, app: str, arguments: Sequence[str]) -> DiscoError:
    """Turn Hydra's exception into one sentence that names the key, the reason and the nearest right word."""
    try:
        overrides = OverridesParser.create().parse_overrides(
            [a for a in arguments if "=" in a and a[0] != "-"]
        )
    except HydraException as slip:
        return DiscoError(_first_line(slip), do="quote values that hold spaces, commas or brackets")
    for override in overrides:
        if slip := _group_slip(override, app):
            return slip
    if "does not support sweep type" in str(error):
        return DiscoError("a grid has no intervals", do="give values, or search: hydra/sweeper=optuna")
    right: list[str] = []
    for override in overrides:
        line = override.input_line or ""
        try:
            compose_app(app, [*right, line])
            right.append(line)
        except HydraException:
            own = override.key_or_group.startswith("hydra.")
            return _key_slip(override, compose_app(app, right, hydra=own))
    return DiscoError(_first_line(error), do=f"see python {_program(app)} --help")


def _group_slip(override: Override, app: str) -> DiscoError | None:
    group = override.key_or_group
    if "." in group:
        return None
    folder = CONF / group
    if not folder.is_dir():
        words = _groups() | set(compose_app(app, [])) | {"hydra"}
        if group in words or override.is_add():
            return None
        return DiscoError(f"{group}: there is no such group or key", do=_nearest(group, words))
    values = override.value()
    options = {str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.yaml")}
    for value in values if isinstance(values, list) else [values]:
        if isinstance(value, str) and value not in options and not override.is_sweep_override():
            return DiscoError(f"{group}={value}: there is no such option", do=_nearest(value, options))
    return None


def _key_slip(override: Override, cfg: DictConfig) -> DiscoError:
    key = override.key_or_group
    parent, _, leaf = key.rpartition(".")
    node = OmegaConf.select(cfg, parent) if parent else cfg
    if not isinstance(node, DictConfig):
        return DiscoError(f"{key}: there is no {parent} here", do=_nearest(parent.split(".")[0], set(cfg)))
    if leaf in node:
        return DiscoError(
            f"{override.input_line}: the value cannot be read", do="see --cfg job for what it is now"
        )
    target = str(node.get("_target_", parent)).rpartition(".")[2]
    return DiscoError(f"{key}: {target} has no parameter '{leaf}'", do=_nearest(leaf, set(node)))


def _groups() -> set[str]:
    return {str(path.relative_to(CONF)) for path in CONF.rglob("*") if path.is_dir()}


def _nearest(word: str, words: Iterable[object]) -> str:
    known = sorted(str(w) for w in words if not str(w).startswith("_"))
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else f"choose from {', '.join(known)}"


def _first_line(error: Exception) -> str:
    return (
        re.sub(r"\s+", " ", str(error).strip().splitlines()[0])
        if str(error).strip()
        else type(error).__name__
    )


def _program(app: str) -> str:
    return "train.py" if app == "train" else f"scripts/{app}.py"
