"""peft's layers put into a model and folded out of it again; peft's names for what is saved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from peft import PeftConfig


def insert(config: PeftConfig, module: nn.Module) -> None:
    """Wrap the layers that the configuration targets."""
    from peft import inject_adapter_in_model  # six seconds to import

    inject_adapter_in_model(config, module)


def fold_layers(module: nn.Module) -> None:
    """Merge every wrapped layer into its base layer and put that in its place."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, part in list(module.named_modules()):
        if isinstance(part, BaseTunerLayer):
            part.merge()
            parent, _, child = name.rpartition(".")
            setattr(module.get_submodule(parent), child, part.get_base_layer())


def plain_config(config: PeftConfig | None) -> dict[str, Any]:
    """Return a configuration as `adapter_config.json` holds it; nothing for none."""
    if config is None:
        return {}
    values = {**config.to_dict(), "inference_mode": True}
    return {name: _plain(value) for name, value in values.items()}


def peft_names(names: Iterable[str]) -> Mapping[str, str]:
    """Return for each tensor of an adapted model the name that PEFT's files give it."""
    return {name: f"base_model.model.{_without_adapter(name)}" for name in names}


def _without_adapter(name: str) -> str:
    return name.replace("lora_magnitude_vector.default.weight", "lora_magnitude_vector").replace(
        ".default", ""
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    return sorted(value) if isinstance(value, set) else value
