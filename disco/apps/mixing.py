"""Adapters by strength, alone or several together, as one model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from disco.apps.runs import Run, open_base
from disco.errors import DiscoError

if TYPE_CHECKING:
    from disco.core.module import GenerativeModule


@dataclass(frozen=True)
class Part:
    """An adapter's run and how strongly it is heard: 0 not at all, 1 as learnt."""

    run: Run
    strength: float


def read_parts(asked: str) -> list[Part]:
    """Read "outputs/a:0.7 outputs/b:0.3"; a folder alone has strength 1.

    Raises:
        DiscoError: nothing is named.
    """
    if asked and Path(asked).is_dir():
        return [Part(Run(Path(asked)), 1.0)]
    words = asked.split()
    if not words:
        raise DiscoError("run= names no folder", do="name one that train.py made")
    parts = []
    for word in words:
        found = re.fullmatch(r"(.+):(\d*\.?\d+)", word)
        parts.append(Part(Run(Path(found[1])), float(found[2])) if found else Part(Run(Path(word)), 1.0))
    return parts


def mix(parts: Sequence[Part]) -> GenerativeModule:
    """Return their common base with every adapter in it, each by its strength.

    Adapters that are changes of weights are folded in, as `base + Σ strength · (adapted - base)`; the
    others are attached one inside the other.

    Raises:
        DiscoError: one has no base, or they have different ones.
    """
    bases = {part.run.facts.get("base", {}).get("sha256") for part in parts}
    if None in bases:
        raise DiscoError("only adapters have a strength", do="give the run folder alone")
    if len(bases) > 1:
        raise DiscoError("these adapters were trained on different bases", do="mix those of one base")
    whole, _ = open_base(parts[0].run)
    base = {name: value.clone() for name, value in whole.state_dict().items()}
    total = {name: value.double() for name, value in base.items() if value.dtype != torch.bool}
    inserted = []
    for part in parts:
        module, adapter = open_base(part.run)
        if not adapter.mergeable:
            inserted.append((part, adapter))
            continue
        adapter.attach(module)
        part.run.load(module)
        adapter.merge(module)
        state = module.state_dict()
        for name in total:
            total[name] += part.strength * (state[name].double() - base[name].double())
    whole.load_state_dict({**base, **{name: _like(value, base[name]) for name, value in total.items()}})
    for part, adapter in inserted:
        adapter.attach(whole)
        part.run.load(whole)
        adapter.strengthen(part.strength)
    return whole


def _like(value: torch.Tensor, pattern: torch.Tensor) -> torch.Tensor:
    """Return a value in another's type; whole numbers are rounded."""
    return (value if pattern.is_floating_point() else value.round()).to(pattern.dtype)
