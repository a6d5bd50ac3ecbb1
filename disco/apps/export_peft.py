"""Exports of an adapter alone, under the names that its base has in `transformers`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from disco.adapters.peft_layers import peft_names
from disco.apps.export_fit import published_kind
from disco.apps.export_hf import answer, network_of_codec, whole_of
from disco.apps.export_source import Source, asked_of, largest_apart
from disco.core.files import write_text
from disco.core.tensors import save_tensors
from disco.errors import DiscoError
from disco.weights.layouts import TRANSFORMERS

KINDS = ("LORA", "IA3")  # of peft, that are parts of single layers
NAMED = ("target_modules", "feedforward_modules")  # lists of submodules
PATTERNED = ("rank_pattern", "alpha_pattern")  # regexes of submodules to values
WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


class ToPeft:
    """Writes what `PeftModel.from_pretrained` puts onto the base that `to=hf` writes."""

    name = "peft"
    library = "peft"
    how_to_install = "it belongs to this framework's own packages"

    def check(self, source: Source) -> None:
        """Refuse what peft or the base's names have no place for.

        Raises:
            DiscoError: names it.
        """
        if source.adapter is None:
            raise DiscoError(
                "there is no adapter to stand alone", do="name an adapter's run, with merged=false"
            )
        network_of_codec(published_kind(source.base, "transformers"))
        _translated(source)

    def write(self, source: Source, folder: Path) -> None:
        """Write the adapter's tensors and its config."""
        config, names = _translated(source)
        tensors = source.module.network_state()
        save_tensors(folder / WEIGHTS, {names[name]: value for name, value in tensors.items()})
        write_text(folder / CONFIG, json.dumps(config, indent=1))

    def compare(self, source: Source, folder: Path) -> float:
        """Return how far the logits are apart with the adapter on transformers' own base."""
        from peft import PeftModel

        model = published_kind(source.base, "transformers")
        whole: Any = PeftModel.from_pretrained(whole_of(model), folder).eval()
        adapted: Any = source.module
        return max(largest_apart(answer(whole, adapted, *asked), ours) for *asked, ours in asked_of(adapted))  # type: ignore[arg-type]


def _translated(source: Source) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the adapter's config and the names of its tensors, as for transformers' base.

    Raises:
        DiscoError: it is no part of single layers, or a layer is none of theirs by itself.
    """
    assert source.adapter is not None
    module = source.module
    config = json.loads((source.folder / CONFIG).read_text(encoding="utf-8"))
    if config.get("peft_type") not in KINDS:
        raise DiscoError(
            f"peft puts no {type(source.adapter).__name__} onto this base", do="to=safetensors merged=false"
        )
    for key in config.keys() & NAMED:
        config[key] = sorted(_theirs(name) for name in config[key] or ())
    for key in PATTERNED:
        config[key] = {
            f"^{re.escape(_theirs(_plain(name)))}$": n for name, n in (config.get(key) or {}).items()
        }
    config["base_model_name_or_path"] = None
    names = {}
    for name, peft_name in peft_names(module.network_state()).items():
        inside = re.match(r"base_model\.model\.(.+?)\.((?:lora|ia3)_.+)", peft_name)
        if inside is None:
            raise DiscoError(f"peft has no place for {name}", do="to=hf, or to=safetensors merged=false")
        names[name] = f"base_model.model.{_theirs(inside[1])}.{inside[2]}"
    return config, names


def _theirs(name: str) -> str:
    found = TRANSFORMERS.module(name)
    if found is None:
        raise DiscoError(
            f"{name} is several layers in transformers, or none", do="to=hf, which folds the adapter in"
        )
    return found


def _plain(pattern: str) -> str:
    """Return the name that a pattern stands for, which our adapters write as `^name$`."""
    return pattern.removeprefix("^").removesuffix("$").replace("\\", "")
