"""Files of weights that others published: a folder, a file, or a name on the Hugging Face hub."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from disco.core.files import file_hash
from disco.core.tensors import load_tensors
from disco.errors import DiscoError

CONFIG, WHOLE, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
AUDIOCRAFT = "state_dict.bin"


@dataclass(frozen=True)
class Published:
    """What lies somewhere.

    Attributes:
        files: the weights; several where they were too large for one.
        config: what their library says of them: `config.json`; nothing for a lone file.
    """

    files: tuple[Path, ...]
    config: Mapping[str, Any]

    @property
    def sha256(self) -> str:
        """The hash of the file, or of the hashes of all."""
        each = [file_hash(path) for path in self.files]
        return each[0] if len(each) == 1 else hashlib.sha256(" ".join(each).encode()).hexdigest()


def find_published(path: str) -> Published:
    """Find weights; what is on the hub is fetched once and then found on this disk.

    Args:
        path: a folder as `save_pretrained` or audiocraft writes it, one of its files, or a name on the hub.

    Raises:
        DiscoError: there are none; says where to get them and where to put them.
    """
    place = Path(path)
    if place.is_file():
        beside = place.with_name(CONFIG)
        return Published((place,), _config(beside) if place.suffix == ".safetensors" else {})
    config, whole, index = (_file(path, name) for name in (CONFIG, WHOLE, INDEX))
    found = {} if config is None else _config(config)
    if whole is not None:
        return Published((whole,), found)
    if index is not None:
        names = sorted(set(_config(index).get("weight_map", {}).values()))
        files = [_file(path, name) for name in names]
        if names and all(file is not None for file in files):
            return Published(tuple(file for file in files if file is not None), found)
    pickled = _file(path, AUDIOCRAFT)
    if pickled is not None:
        return Published((pickled,), {})
    silent = "" if place.is_dir() else ", and the hub does not answer"
    raise DiscoError(
        f"{path}: no {WHOLE} or {AUDIOCRAFT} there{silent}",
        do=f"download {CONFIG} and {WHOLE} of {'the model' if place.is_dir() else path} from huggingface.co "
        "into a folder of yours and name that folder",
    )


def read_tensors(found: Published) -> dict[str, Tensor]:
    """Read safetensors, or the tensors of a file of audiocraft's; nothing in them can run.

    Raises:
        DiscoError: a file is something else, or holds more than tensors and plain values.
    """
    tensors: dict[str, Tensor] = {}
    for path in found.files:
        tensors |= load_tensors(path) if path.suffix == ".safetensors" else read_pickled(path)["best_state"]
    return tensors


def read_pickled(path: Path) -> dict[str, Any]:
    """Read a file of audiocraft's with PyTorch's reader for tensors and plain values, which runs nothing.

    Raises:
        DiscoError: it is none, or holds anything else.
    """
    refusal = DiscoError(f"{path}: it is no exported model of audiocraft; nothing of it was used")
    if not zipfile.is_zipfile(path):
        raise refusal
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a broken or malicious pickle raises
        raise refusal from error
    state = held.get("best_state") if isinstance(held, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise refusal
    return held


def _file(path: str, name: str) -> Path | None:
    place = Path(path)
    if place.is_dir():
        return place / name if (place / name).is_file() else None
    if place.is_absolute() or path.count("/") != 1:
        return None  # no name on the hub
    from transformers.utils.hub import cached_file

    try:
        found = cached_file(path, name)
    except (OSError, ValueError):
        return None
    return None if found is None else Path(found)


def _config(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DiscoError(f"{path}: it cannot be read ({error})", do="take a whole file") from error
    return found if isinstance(found, dict) else {}
