"""`--help` of every command: what it is for, its own keys, and every option with its sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from disco.apps.launch import CONF

WIDTH = 24


def help_text(app: str) -> str:
    """Return the help of `conf/<app>.yaml`; the files' first lines are the sentences."""
    path = CONF / f"{app}.yaml"
    chosen = dict(_defaults(yaml.safe_load(path.read_text(encoding="utf-8"))))
    groups = [folder for group in chosen for folder in _with_inner(CONF / group)]
    lines = [sentence(path), "", "Keys, as key=value:", "", *_keys(path)]
    if groups:
        lines += ["", "Options, as group=option; * is taken unless another is named, [a,b] names several:"]
    for folder in groups:
        group = str(folder.relative_to(CONF))
        lines += ["", f"  {group}"]
        lines += [_option(option, group, chosen.get(group)) for option in sorted(folder.glob("*.yaml"))]
    shown = "train.py" if app == "train" else f"scripts/{app}.py"
    lines += [
        "",
        f"python {shown} … --cfg job      the whole config, before anything is built",
        f"python {shown} -m key=1,2 …     one run per combination",
        f"python {shown} --hydra-help     Hydra's own flags",
    ]
    if app == "train":
        lines += [
            f"python {shown} -m hydra/launcher=slurm …            each run is a job of SLURM",
            f"python {shown} -m hydra/launcher=slurm --dry-run …  prints the sbatch script, submits nothing",
        ]
    return "\n".join(lines) + "\n"


def sentence(path: Path) -> str:
    """Return the first line of a YAML without its mark."""
    with path.open(encoding="utf-8") as file:
        return file.readline().removeprefix("#").strip()


def _defaults(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield each group that an app composes, and the option it takes by itself."""
    for entry in config.get("defaults", []):
        if isinstance(entry, dict):
            ((group, option),) = entry.items()
            if not group.startswith("override "):
                yield group, option


def _with_inner(folder: Path) -> list[Path]:
    """Return a group's folder and the groups inside it."""
    return [folder, *sorted(path for path in folder.rglob("*") if path.is_dir())]


def _keys(path: Path) -> Iterator[str]:
    """Yield the lines of an app's own keys, with their comments."""
    within = False
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        if line[:1].isalpha():
            within = not line.startswith(("defaults:", "hydra:", "run_dir:"))
        if within and line.strip() and "_target_:" not in line:
            yield f"  {line}"


def _option(option: Path, group: str, taken: Any) -> str:
    mark = "*" if option.stem == taken or (isinstance(taken, list) and option.stem in taken) else " "
    return f"  {mark} {option.stem:<{WIDTH}}{sentence(option)}"
