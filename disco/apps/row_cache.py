"""What metrics noted of single takes, kept under the hash of what was heard and of what heard it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

import disco
from disco.core.embedder import content
from disco.core.files import file_hash, write_text
from disco.core.metric import Take
from disco.errors import DiscoError
from disco.metrics.training import training_key
from disco.midi.score import NoteTable

HEARING = ("audio", "core", "embedders", "metrics", "midi", "nets")  # packages whose code makes the rows


class RowCache:
    """Rows of metrics in files; one that cannot be read is an error and never a number.

    Args:
        folder: where they lie; None keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def get(self, metric: str, key: str) -> list[Any] | None:
        """Return the rows of a metric for what was heard, encoded; None where they are not known.

        Raises:
            DiscoError: the file is damaged.
        """
        path = self._path(metric, key)
        if path is None or not path.is_file():
            return None
        try:
            return json.loads(path.read_text(encoding="utf-8"))["rows"]
        except (ValueError, KeyError, OSError) as error:
            raise DiscoError(f"{path} cannot be read: {error}", do="remove it; it is made anew") from error

    def put(self, metric: str, key: str, rows: list[Any]) -> None:
        """Keep encoded rows."""
        path = self._path(metric, key)
        if path is not None:
            write_text(path, json.dumps({"rows": rows}))

    def _path(self, metric: str, key: str) -> Path | None:
        return None if self.folder is None else self.folder / metric[:16] / key[:2] / f"{key}.json"


def digest(*parts: str) -> str:
    """Return a hash of texts that differs wherever they or their order do."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def metric_key(node: Mapping[str, Any], *, training: bool) -> str:
    """Return what a metric's rows depend on beside what is heard: settings, code, training data.

    Data that cannot be read has no key: the metric says why, and nothing is kept of it.
    """
    root = node.get("root")
    try:
        learnt = training_key(Path(root), int(node["most"])) if training and root else ""
    except DiscoError:
        learnt = ""
    return digest(settings_key(node), code_key(), learnt)


def settings_key(node: Mapping[str, Any]) -> str:
    """Return a hash of a metric's settings: numbers of one name compare where it is the same."""
    told = {name: value for name, value in node.items() if name not in ("keep", "root")}  # where files lie
    return digest(json.dumps(told, sort_keys=True, default=str))


@cache
def code_key() -> str:
    """Return a hash of the code that hears, so that a correction of it makes all rows anew."""
    home = Path(disco.__file__).parent
    files = sorted(path for name in HEARING for path in (home / name).rglob("*.py"))
    return digest(*(f"{path.relative_to(home).as_posix()} {file_hash(path)}" for path in files))


def take_key(take: Take) -> str:
    """Return a hash of what a judge gets: sound, notes, and what was asked; not the name."""
    asked = take.asked
    return digest(
        "" if take.clip is None else content(take.clip),
        _notes_key(take.notes),
        repr((take.seconds, take.tempo_bpm, asked.caption, asked.key, asked.instruments, asked.moods)),
        _notes_key(asked.notes),
        _array_key(take.beats),
        _array_key(take.codes),
    )


def _notes_key(notes: NoteTable | None) -> str:
    return "" if notes is None else digest(*(_array_key(getattr(notes, f.name)) for f in fields(notes)))


def _array_key(array: np.ndarray | None) -> str:
    if array is None:
        return ""
    return hashlib.sha256(f"{array.dtype} {array.shape}".encode() + array.tobytes()).hexdigest()


def encode(value: Any) -> Any:
    """Return a row as plain JSON values.

    Raises:
        TypeError: it holds something that a row may not hold.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray):
        packed = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {"array": packed, "dtype": value.dtype.str, "shape": list(value.shape)}
    if is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        values = {item.name: encode(getattr(value, item.name)) for item in fields(value)}
        return {"class": f"{kind.__module__}:{kind.__qualname__}", "values": values}
    if isinstance(value, tuple):
        return {"tuple": [encode(one) for one in value]}
    if isinstance(value, list):
        return [encode(one) for one in value]
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):
        return {"dict": {name: encode(one) for name, one in value.items()}}
    raise TypeError(f"a row of a metric may not hold a {type(value).__name__}")


def decode(value: Any) -> Any:
    """Return the row that `encode` was given.

    Raises:
        ValueError: it names a class that is no row of a metric.
    """
    if isinstance(value, list):
        return [decode(one) for one in value]
    if not isinstance(value, dict):
        return value
    if "array" in value:
        flat = np.frombuffer(base64.b64decode(value["array"]), dtype=np.dtype(value["dtype"]))
        return flat.reshape(value["shape"]).copy()
    if "tuple" in value:
        return tuple(decode(one) for one in value["tuple"])
    if "class" in value:
        values = {name: decode(one) for name, one in value["values"].items()}
        return _row_class(value["class"])(**values)
    return {name: decode(one) for name, one in value["dict"].items()}


def _row_class(name: str) -> type:
    module, _, kind = name.partition(":")
    if not module.startswith(("disco.metrics.", "disco.core.", "disco.midi.")):
        raise ValueError(f"{name} is no row of a metric")
    found = getattr(import_module(module), kind)
    if not (isinstance(found, type) and is_dataclass(found)):
        raise ValueError(f"{name} is no row of a metric")
    return found
