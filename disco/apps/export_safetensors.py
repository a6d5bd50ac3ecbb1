"""Exports of plain tensors under our own names, for any family."""

from __future__ import annotations

import json
from pathlib import Path

from disco.adapters.peft_layers import peft_names
from disco.apps.export_source import Source, largest_apart
from disco.core.files import write_text
from disco.core.tensors import save_tensors
from disco.errors import DiscoError


class ToSafetensors:
    """Writes `weights.safetensors`; an adapter that stays apart has a file beside it."""

    name = "safetensors"
    library = "safetensors"
    how_to_install = "it belongs to this framework's own packages"

    def check(self, source: Source) -> None:
        """Refuse nothing."""

    def write(self, source: Source, folder: Path) -> None:
        """Write the tensors."""
        facts = {"model": str(source.config.model._target_)}
        save_tensors(folder / "weights.safetensors", source.base.network_state(), facts)
        if source.adapter is not None:
            tensors = source.module.network_state()
            names = peft_names(tensors)
            save_tensors(
                folder / "adapter_model.safetensors", {names[n]: value for n, value in tensors.items()}, facts
            )
            config = json.loads((source.folder / "adapter_config.json").read_text(encoding="utf-8"))
            write_text(folder / "adapter_config.json", json.dumps(config, indent=1))

    def compare(self, source: Source, folder: Path) -> float:
        """Return the largest difference of any tensor, read by the library's own reader.

        Raises:
            DiscoError: a tensor is missing.
        """
        from safetensors import safe_open

        apart = 0.0
        wanted = {"weights.safetensors": source.base.network_state()}
        if source.adapter is not None:
            tensors = source.module.network_state()
            names = peft_names(tensors)
            wanted["adapter_model.safetensors"] = {names[n]: value for n, value in tensors.items()}
        for file, state in wanted.items():
            with safe_open(folder / file, "pt") as found:
                if set(found.keys()) != set(state):
                    raise DiscoError(f"{file} holds other tensors than the run")
                each = (
                    largest_apart(found.get_tensor(n), value.cpu())
                    for n, value in state.items()
                    if value.numel()
                )
                apart = max(apart, *each, 0.0)
        return apart
