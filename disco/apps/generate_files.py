"""What is written into each sound file: how it was made, so that it can be made again."""

from __future__ import annotations

import json
from typing import Any

from omegaconf import DictConfig, OmegaConf

from disco.core.asking import NAMES

SAID = (
    "run", "prompt", "wordings", "ensemble", "tags", "tempo_bpm", "metre", "seconds",
    "go_on_from", "go_on_seconds", *NAMES, "later", "sampler", "guidance",
)  # fmt: skip


def settings_of(cfg: DictConfig, take: int) -> str:
    """Return the settings of a take as JSON; nothing of machine or hour, so that files stay the same."""
    plain: Any = OmegaConf.to_container(cfg, resolve=True)
    said = {name: plain[name] for name in SAID if plain.get(name) not in (None, [], {})}
    for node in (said.get("sampler", {}), said.get("ensemble", {}), *said.get("guidance", {}).values()):
        node.pop("_target_", None)
    seed = plain["seed"]
    said["seed"] = seed[take] if isinstance(seed, list) else seed
    said["take"] = 0 if isinstance(seed, list) else take
    return json.dumps({"made by": "Disco Musica", **said}, ensure_ascii=False)
