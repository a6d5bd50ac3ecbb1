"""How large a model is, which row of the guide's size table that is, and where its settings come from."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

from disco.apps.launch import CONF

if TYPE_CHECKING:
    from disco.core.module import GenerativeModule

DERIVED = ("data.batch_size", "optim.lr", "adapter.rank", "trainer.max_steps")
SETTINGS = ("batch_size", "lr", "finetune_lr", "lora_rank", "steps", "hours")  # of a row; the rest is shape
USUAL = "tiny"  # of conf/train.yaml


@dataclass(frozen=True)
class Setting:
    """One derived value, and what it came from."""

    key: str
    value: Any
    source: str


@dataclass(frozen=True)
class Sizing:
    """What `size_up` found.

    Attributes:
        parameters: of the model.
        row: of the size table.
        decided: the row's settings took the place of those of the scale file.
        settings: the derived values.
        hours: what adapting a base takes by the guide, from and to.
    """

    parameters: int
    row: str
    decided: bool
    settings: tuple[Setting, ...]
    hours: tuple[int, int] | None

    def also(self, settings: Sequence[Setting]) -> Sizing:
        """Return it with more settings, which take the place of those of the same key."""
        keys = {setting.key for setting in settings}
        kept = [setting for setting in self.settings if setting.key not in keys]
        return replace(self, settings=(*kept, *settings))

    def __str__(self) -> str:
        took = f"; the guide expects {self.hours[0]} to {self.hours[1]} hours" if self.hours else ""
        said = [f"{setting.key}={setting.value}" for setting in self.settings]
        width = max(map(len, said), default=0)
        lines = [
            f"  {words:<{width}}  {setting.source}"
            for words, setting in zip(said, self.settings, strict=True)
        ]
        return "\n".join([f"size: {in_words(self.parameters)} parameters, {self.row}{took}", *lines])


def row_of(parameters: int) -> str:
    """Return the row: small below 500 million, medium below 2 billion, large to 10 billion, xl beyond.

    The guide's rows meet at 2 billion, which is read as large; tiny, below 20 million, is no row of the
    guide.
    """
    if parameters > 10_000_000_000:
        return "xl"
    bounds = {"tiny": 20_000_000, "small": 500_000_000, "medium": 2_000_000_000}
    return next((row for row, bound in bounds.items() if parameters < bound), "large")


def in_words(parameters: int) -> str:
    """Return a count with its unit."""
    for unit, size in (("billion", 10**9), ("million", 10**6), ("thousand", 10**3)):
        if parameters >= size:
            return f"{parameters / size:.3g} {unit}"
    return str(parameters)


def count_parameters(module: GenerativeModule) -> int:
    """Count what makes the model: no losses, no critics, no frozen reader of captions."""
    return sum(p.numel() for name, p in module.named_parameters() if not name.startswith("objective."))


def size_up(cfg: DictConfig, parameters: int) -> Sizing:
    """Find the row of a model, and where each derived value comes from.

    A model that comes with a base has the base's size; unless a scale was named, the settings of its row
    then take the place of the scale file's in `cfg.scale`, where the command line did not say otherwise.
    """
    hydra = HydraConfig.get()
    typed = {override.lstrip("+").split("=", 1)[0] for override in hydra.overrides.task}
    chosen: dict[str, Any] = dict(hydra.runtime.choices)
    row = row_of(parameters)
    named = "scale" in typed or chosen.get("scale") != USUAL
    decided = cfg.weights.get("run") is not None and not named
    table = OmegaConf.load(CONF / "scale" / f"{row}.yaml")
    if decided:
        with open_dict(cfg):
            for name in SETTINGS:
                if f"scale.{name}" not in typed:
                    cfg.scale[name] = OmegaConf.select(table, name)
    scale = f"size table, {row}" if decided else f"scale={chosen.get('scale')}"
    settings = tuple(
        Setting(key, OmegaConf.select(cfg, key), _source(cfg, key, typed, chosen, scale))
        for key in DERIVED
        if OmegaConf.select(cfg, key) is not None
    )
    hours = OmegaConf.select(table, "hours") if cfg.weights.get("run") is not None else None
    return Sizing(parameters, row, decided, settings, None if hours is None else (hours[0], hours[1]))


def _source(cfg: DictConfig, key: str, typed: Collection[str], chosen: Mapping[str, Any], scale: str) -> str:
    """Say what set a value: the command line, an experiment, the scale, or the option of its group."""
    group, _, name = key.partition(".")
    plain = OmegaConf.to_container(cfg[group], resolve=False)
    assert isinstance(plain, dict)
    found = re.fullmatch(r"\$\{scale\.(\w+)\}", str(plain[name]))
    if key in typed or (found and f"scale.{found[1]}" in typed):
        return "command line"
    if found:
        return scale
    experiment = chosen.get("experiment")
    if experiment and OmegaConf.select(OmegaConf.load(CONF / "experiment" / f"{experiment}.yaml"), key):
        return f"experiment={experiment}"
    return f"{group}={chosen.get(group)}"
