"""Adapters by strength, alone or several together, as one model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from disco.apps.runs import Run, open_base
from disco.errors import DiscoError

if TYPE_CHECKING:
    from disco.core.contracts import Adapter
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


class Mixture:
    """A base with adapters whose strengths can be set again and again.

    Adapters that are changes of weights are folded in, as `base + Σ strength · (adapted - base)`; so is
    what any of them counted again. The others are attached one inside the other.

    Attributes:
        module: the base, with every adapter in it as strongly as last `set`; at first not at all.

    Raises:
        DiscoError: one has no base, or they have different ones.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        from disco.apps.parts import build_adapter

        bases = {run.facts.get("base", {}).get("sha256") for run in runs}
        if None in bases:
            raise DiscoError("only adapters have a strength", do="give the run folder alone")
        if len(bases) > 1:
            raise DiscoError("these adapters were trained on different bases", do="mix those of one base")
        self.module, _ = open_start(runs[0])
        base = {name: value.clone() for name, value in self.module.state_dict().items()}
        opened = [open_start(run) for run in runs]
        self._changes = [_change(run, *one, base) for run, one in zip(runs, opened, strict=True)]
        self._base = {name: base[name].double() for change in self._changes for name in change}
        self._inserted: list[Adapter | None] = []
        for run in runs:
            adapter = build_adapter(run.config)  # those above are bound to models of their own
            if not adapter.mergeable:
                adapter.attach(self.module)
                run.load(self.module)
            self._inserted.append(None if adapter.mergeable else adapter)
        self.set([0.0] * len(runs))

    def set(self, strengths: Sequence[float]) -> None:
        """Let each adapter be heard by its strength: 0 not at all, 1 as learnt.

        Raises:
            DiscoError: not one strength per adapter.
        """
        if len(strengths) != len(self._changes):
            raise DiscoError(
                f"{len(strengths)} strengths for {len(self._changes)} adapters", do="give one for each"
            )
        # the tensors themselves, wherever the module was moved; bottlenecks wrap layers
        weights = {name.replace(".base_layer", ""): t for name, t in self.module.state_dict().items()}
        for name, base in self._base.items():
            total = base.clone()
            for strength, change in zip(strengths, self._changes, strict=True):
                if name in change:
                    total += strength * change[name]
            weights[name].copy_(_like(total, weights[name]))
        for strength, adapter in zip(strengths, self._inserted, strict=True):
            if adapter is not None:
                adapter.strengthen(strength)


def mix(parts: Sequence[Part]) -> GenerativeModule:
    """Return their common base with every adapter in it, each by its strength.

    Raises:
        DiscoError: one has no base, or they have different ones.
    """
    mixture = Mixture([part.run for part in parts])
    mixture.set([part.strength for part in parts])
    return mixture.module


def open_start(run: Run) -> tuple[GenerativeModule, Adapter]:
    """Rebuild what a run started from, also where its adapter would not need that."""
    from disco.apps.parts import build_weights

    module, adapter = open_base(run)
    if not adapter.needs_base:
        build_weights(run.config).load(module)
    return module, adapter


def _change(
    run: Run, module: GenerativeModule, adapter: Adapter, base: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Return what a run changed of the base, tensor by tensor; of parts that no weight can hold nothing."""
    adapter.attach(module)
    run.load(module)
    if adapter.mergeable:
        adapter.merge(module)
    changes = {}
    for name, value in module.state_dict().items():
        if name in base and value.dtype != torch.bool and not torch.equal(value, base[name]):
            changes[name] = value.double() - base[name].double()
    return changes


def _like(value: torch.Tensor, pattern: torch.Tensor) -> torch.Tensor:
    """Return a value in another's type; whole numbers are rounded, and held in its range."""
    if not pattern.is_floating_point():
        span = torch.iinfo(pattern.dtype)
        value = value.round().clamp(span.min, span.max)
    return value.to(pattern.dtype)
