"""A run makes what held-out music was asked to be, beside the music itself and floors, each in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from omegaconf import DictConfig

from disco.apps.compose import build
from disco.apps.cost import Efficiency
from disco.apps.floors import code_floors
from disco.apps.held_out import HeldOut, hold_out
from disco.apps.losses import language_losses
from disco.apps.parts import build_data
from disco.apps.runs import first_run, open_run
from disco.apps.takes import write_takes
from disco.audio.clip import Clip

if TYPE_CHECKING:
    from disco.core.contracts import Sampler
    from disco.core.module import GenerativeModule

TOGETHER = 16  # pieces made at once: a constant, so that no setting of the machine changes what is made


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a run made.

    Attributes:
        folders: system to the folder of its takes, `made` and `real` first.
        losses: cross-entropies of a language model in nats per token.
        cost: what `Efficiency` measured.
    """

    module: GenerativeModule
    folders: dict[str, Path]
    losses: dict[str, float]
    cost: dict[str, Any]


def make(cfg: DictConfig, folder: Path, efficiency: Efficiency | None) -> Made:
    """Let the run of the config make its takes in `folder`."""
    module = open_run(cfg.run).to(_device(cfg.device))
    data = build_data(cfg)
    if cfg.losses:
        data.serve(module.view)
    data.prepare_data()
    wants = module.view.wants
    held = hold_out(data, cfg.split, seconds=cfg.seconds, count=cfg.count, wants=wants)
    sampler = build(cfg.sampler, "sampler")
    pieces = _pieces(module, held, seconds=cfg.seconds, sampler=sampler, seed=cfg.seed)
    systems: dict[str, Sequence[Any]] = {"made": pieces, "real": [take.sound for take in held.takes]}
    if cfg.floors:
        floors = code_floors(module, held, seed=cfg.seed)
        systems |= {name: [take.sound for take in takes] for name, takes in floors.items()}
    for name, group in systems.items():
        write_takes(
            folder / name,
            group,
            name=name,
            captions=held.conditions.text,
            tempos=[take.tempo_bpm for take in held.takes],
            seconds=cfg.seconds,
            asked=[take.asked for take in held.takes],
            notes=[take.notes for take in held.takes] if name == "real" else None,
        )
    losses = {}
    if cfg.losses and not hasattr(module, "reconstruct"):
        losses = language_losses(module, data, cfg.split)
    cost = {}
    if efficiency is not None:
        cost = efficiency.measure(
            module,
            first_run(cfg.run).weights,
            lambda seconds: _pieces(
                module, _first(held, seconds), seconds=seconds, sampler=sampler, seed=cfg.seed
            ),
            seconds=cfg.seconds,
        )
    return Made(module=module, folders={name: folder / name for name in systems}, losses=losses, cost=cost)


def _first(held: HeldOut, seconds: float) -> HeldOut:
    """Return the beginning of the first take, and what it was asked to be."""
    take = held.takes[0]
    sound = Clip(take.sound.wave[:, : round(seconds * take.sound.rate)], take.sound.rate)
    return HeldOut(held.conditions.rows([0]), [replace(take, clip=sound)])


@torch.no_grad()
def _pieces(
    module: GenerativeModule, held: HeldOut, *, seconds: float, sampler: Sampler, seed: int
) -> list[Any]:
    """Give back what a codec hears, or generate what is asked for."""
    reconstruct = getattr(module, "reconstruct", None)
    if reconstruct is not None:
        sounds = (take.sound for take in held.takes)
        return [reconstruct(Clip(sound.wave.to(module.device), sound.rate)) for sound in sounds]
    made: list[Any] = []
    for start in range(0, len(held.takes), TOGETHER):
        rows = range(start, min(start + TOGETHER, len(held.takes)))
        conditions = held.conditions.rows(rows).to(module.device)
        made += module.generate(conditions, seconds=seconds, sampler=sampler, seed=seed + start)
    return made


def _device(asked: str) -> torch.device:
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if asked == "auto" else asked)
