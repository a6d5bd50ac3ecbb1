"""What a run is, field by field: a checkpoint of another one is not gone on from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from disco.apps.masking import masked
from disco.apps.runs import Run
from disco.core.files import file_hash

WHOLE = ("model", "codec", "conditioner", "adapter")  # every field of these must agree


def identity_of(cfg: DictConfig) -> dict[str, Any]:
    """Return the fields in which a checkpoint and the run that goes on from it must agree.

    Rates, lengths and the like may change. A base or codec that is a run counts by its weights, so that
    its folder may move.
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
    return fields


def _flat(node: Mapping[Any, Any], path: str) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{path}.{key}")
        else:
            yield f"{path}.{key}", value
