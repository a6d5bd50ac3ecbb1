"""The best point of a sweep as an experiment that train.py takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from disco.apps.launch import CONF
from disco.core.files import write_text

LEAVES_OUT = ("run_dir", "resume", "plan")


def write_best(sweep: Path, words: Sequence[str], told: str, *, name: str = "best") -> list[str]:
    """Write `experiment/<name>.yaml` into the sweep's folder and return the command that takes it.

    Args:
        sweep: the folder; `-cd` shows it to Hydra.
        words: of the point.
        told: what the file's first line says of it.
        name: of the experiment.
    """
    parents, groups, values = [], {}, OmegaConf.create()
    for override in OverridesParser.create().parse_overrides(list(words)):
        key, choice = override.key_or_group, override.value()
        if override.is_delete() or key.split(".")[0] in LEAVES_OUT:
            continue
        if key == "experiment":
            parents.append(choice)
        elif key == "sweep":
            groups |= _of_preset(str(choice))
        elif (CONF / key).is_dir():
            groups[key] = choice
        else:
            OmegaConf.update(values, key, _plain(override.get_value_element_as_str()))
    defaults = [*parents, *({f"override /{group}": choice} for group, choice in groups.items())]
    node = {"defaults": [*defaults, "_self_"], **(OmegaConf.to_container(values) or {})}  # type: ignore[dict-item]
    text = yaml.safe_dump(node, sort_keys=False, allow_unicode=True)
    write_text(sweep / "experiment" / f"{name}.yaml", f"# @package _global_\n# {told}\n{text}")
    return ["train.py", "-cd", str(sweep), f"experiment={name}"]


def _of_preset(preset: str) -> dict[str, object]:
    """Return the groups that a file of `conf/sweep` chooses."""
    node = yaml.safe_load((CONF / "sweep" / f"{preset}.yaml").read_text(encoding="utf-8"))
    pairs = (entry.items() for entry in node.get("defaults", []) if isinstance(entry, dict))
    return {k.removeprefix("override /"): v for items in pairs for k, v in items}


def _plain(value: str) -> object:
    return OmegaConf.create([OverridesParser.create().parse_override(f"x={value}").value()])[0]
