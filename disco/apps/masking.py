"""A config as it may be written down: what came out of the environment stays there."""

from __future__ import annotations

import os
import re
from typing import Any

from omegaconf import DictConfig, OmegaConf

FROM_ENVIRONMENT = re.compile(r"\$\{oc\.env:\s*['\"]?([A-Za-z_]\w*)")
SHORTEST = 6  # characters; shorter values are too common to be looked for in other places


def masked(cfg: DictConfig) -> dict[Any, Any]:
    """Return the resolved config with `${oc.env:NAME}` in the place of every value of NAME.

    A value that refers to another one that refers to the environment is masked too, and so is text
    that contains such a value of six characters or more.
    """
    raw = OmegaConf.to_container(cfg, resolve=False)
    plain = OmegaConf.to_container(cfg, resolve=True)
    secrets = {
        value: f"${{oc.env:{name}}}"
        for name in sorted(_names(raw))
        if len(value := os.environ.get(name, "")) >= SHORTEST
    }
    return _masked(raw, plain, secrets)


def masked_yaml(cfg: DictConfig) -> str:
    """Return the `masked` config as YAML."""
    return OmegaConf.to_yaml(OmegaConf.create(masked(cfg)))


def _names(node: Any) -> set[str]:
    if isinstance(node, dict):
        return set().union(*(_names(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(_names(value) for value in node))
    return set(FROM_ENVIRONMENT.findall(node)) if isinstance(node, str) else set()


def _masked(raw: Any, plain: Any, secrets: dict[str, str]) -> Any:
    if isinstance(plain, dict):
        under = raw if isinstance(raw, dict) else {}
        return {key: _masked(under.get(key), value, secrets) for key, value in plain.items()}
    if isinstance(plain, list):
        under = raw if isinstance(raw, list) and len(raw) == len(plain) else [None] * len(plain)
        return [_masked(one, value, secrets) for one, value in zip(under, plain, strict=True)]
    if isinstance(raw, str) and FROM_ENVIRONMENT.search(raw):
        return raw
    if isinstance(plain, str):
        for value, name in secrets.items():
            plain = plain.replace(value, name)
    return plain
