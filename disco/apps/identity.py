"""What a run is, field by field: a checkpoint of another one is not gone on from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from disco.apps.masking import masked
from disco.apps.runs import Run, base_of
from disco.apps.targets import resolve
from disco.core.files import file_hash
from disco.core.header import read_header
from disco.errors import DiscoError

WHOLE = ("model", "codec", "conditioner", "adapter")  # every field of these must agree


def identity_of(cfg: DictConfig) -> dict[str, Any]:
    """Return the fields in which a checkpoint and the run that goes on from it must agree.

    Rates, lengths and the like may change. A base or codec that is a run counts by its weights, so that
    its folder may move. What a constructor takes for granted is not told: a setting that came later, and
    is off, is no difference to a run that did not know it.
    """
    plain = masked(cfg)
    fields = {name: value for group in WHOLE for name, value in _flat(plain.get(group) or {}, group)}
    fields["optim"] = plain["optim"]["_target_"]
    for name, node in (plain.get("loss") or {}).items():
        if node:
            fields[f"loss.{name}"] = node["_target_"]
    for group in ("weights", "codec"):
        folder = OmegaConf.select(cfg, f"{group}.run")
        if folder:
            fields.pop(f"{group}.run", None)
            weights = Run(Path(folder)).weights
            fields[f"{group}.sha256"] = file_hash(weights) if weights.is_file() else None
    if OmegaConf.select(cfg, "weights.path"):
        fields["weights.sha256"] = base_of(cfg)["sha256"]
    return fields


def check_same(checkpoint: Path, mine: Mapping[str, Any]) -> None:
    """Refuse to go on from a checkpoint of another run before its folder is written to.

    One that is damaged is left to those who read all of it, and have another.

    Raises:
        DiscoError: names every field that differs.
    """
    from disco.core.identity import refuse_another  # torch
    from disco.core.state import unpacked

    try:
        plain = json.loads(read_header(checkpoint).facts["state"])
    except (DiscoError, KeyError, ValueError):
        return
    refuse_another(unpacked(plain.get("identity", {}), {}), mine)


def _flat(node: Mapping[Any, Any], path: str) -> Iterator[tuple[str, Any]]:
    granted = _granted(node, path)
    for key, value in node.items():
        if key in granted and granted[key] == value:
            continue
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{path}.{key}")
        else:
            yield f"{path}.{key}", value


def _granted(node: Mapping[Any, Any], path: str) -> dict[str, Any]:
    """Return what the constructor of a node takes for granted."""
    if "_target_" not in node:
        return {}
    known = signature(resolve(node["_target_"], path)).parameters.values()
    return {one.name: one.default for one in known if one.default is not Parameter.empty}
