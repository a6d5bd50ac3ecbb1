"""Which folders an evaluation holds beside one another, and what they are called."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from omegaconf import DictConfig, ListConfig

from disco.apps.compose import build
from disco.apps.excerpts import Excerpts
from disco.errors import DiscoError

REFERENCE = "real"
NAME = re.compile(r"\w[\w.+-]*")


def given_systems(cfg: DictConfig, folder: Path) -> dict[str, Path]:
    """Return system to folder, what is judged first; excerpts are written below `folder` now.

    Raises:
        DiscoError: a name is no name, or there is nothing in a folder to take excerpts of.
    """
    judged = dict(_judged(cfg))
    if not judged:
        raise DiscoError("audio= names no folder", do="give a folder, or several by name: audio={a:…,b:…}")
    first = next(iter(judged))
    systems = {first: judged[first]}
    if cfg.reference is not None:
        systems[REFERENCE] = _given(cfg.reference, "reference")
    systems |= judged
    return {
        name: one.write(folder / name) if isinstance(one, Excerpts) else one for name, one in systems.items()
    }


def names_of(folders: Sequence[Path]) -> list[str]:
    """Return the shortest ends of the paths that tell them apart.

    Raises:
        DiscoError: one of them stands there twice.
    """
    parts = [folder.resolve().parts for folder in folders]
    if len(set(parts)) < len(parts):
        raise DiscoError("an evaluation is compared with itself", do="name each folder once")
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-length:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    raise AssertionError("different paths have different names")


def _judged(cfg: DictConfig) -> Iterator[tuple[str, Path | Excerpts]]:
    if isinstance(cfg.audio, ListConfig):
        paths = [Path(str(one)) for one in cfg.audio]
        yield from zip(names_of(paths) if paths else [], paths, strict=True)
    elif isinstance(cfg.audio, DictConfig) and "_target_" not in cfg.audio:
        for name in map(str, cfg.audio):
            if not NAME.fullmatch(name) or name == REFERENCE:
                raise DiscoError(f"audio.{name}: this cannot name a system", do="use letters and digits")
            yield name, _given(cfg.audio[name], f"audio.{name}")
    else:
        yield "made", _given(cfg.audio, "audio")


def _given(value: str | DictConfig, key: str) -> Path | Excerpts:
    return build(value, key) if isinstance(value, DictConfig) else Path(value)
