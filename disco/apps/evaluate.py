"""`scripts/evaluate.py`: a run, or anybody's audio, is measured beside its floors and ceilings."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table

from disco.apps.compose import build
from disco.apps.floors import code_floors
from disco.apps.held_out import HeldOut, hold_out
from disco.apps.losses import language_losses
from disco.apps.parts import build_data, build_many
from disco.apps.runs import first_run, open_run
from disco.apps.takes import read_takes, write_takes
from disco.core.files import write_text
from disco.core.metric import Take
from disco.errors import DiscoError

if TYPE_CHECKING:
    from disco.core.datamodule import MusicData
    from disco.core.module import GenerativeModule

Scores = dict[str, dict[str, float]]  # system → measure → value


def main(cfg: DictConfig) -> Scores:
    """Measure, print a table, and write `scores.json` and the takes."""
    if (cfg.run is None) == (cfg.audio is None):
        raise DiscoError("evaluate measures a run or a folder of audio", do="give run=… or audio=…")
    folder = Path(cfg.run_dir)
    scores = _folder_scores(cfg) if cfg.run is None else _run_scores(cfg, folder)
    write_text(folder / "scores.json", json.dumps(scores, indent=1))
    Console().print(table(scores))
    Console().print(f"written to {folder / 'scores.json'}")
    return scores


def table(scores: Scores) -> Table:
    """Lay out the scores: one column per system, one row per measure."""
    shown = Table("measure", *scores)
    for name in dict.fromkeys(name for row in scores.values() for name in row):
        values = [row.get(name, math.nan) for row in scores.values()]
        shown.add_row(name, *("" if math.isnan(value) else f"{value:.3f}" for value in values))
    return shown


def _folder_scores(cfg: DictConfig) -> Scores:
    made = read_takes(Path(cfg.audio))
    reference = read_takes(Path(cfg.reference)) if cfg.reference else []
    return {"made": judge(cfg, made, reference)}


def _run_scores(cfg: DictConfig, folder: Path) -> Scores:
    module = open_run(cfg.run)
    data = build_data(_with_the_runs_data(cfg)).serve(module.view)
    data.prepare_data()
    held = hold_out(data, cfg.split, seconds=cfg.seconds, count=cfg.count)
    made, losses = _make(cfg, module, data, held, folder)
    scores: Scores = {
        "made": {**losses, **judge(cfg, made, held.takes)},
        "real": judge(cfg, _as_judged(held.takes, made), held.takes),
    }
    if cfg.floors:
        for name, takes in code_floors(module, held, seed=cfg.seed).items():
            write_takes(
                folder / name,
                [take.sound for take in takes],
                name=name,
                captions=held.conditions.text,
                tempos=[take.tempo_bpm for take in takes],
            )
            scores[name] = judge(cfg, takes, held.takes)
    return scores


def _make(
    cfg: DictConfig, module: GenerativeModule, data: MusicData, held: HeldOut, folder: Path
) -> tuple[list[Take], dict[str, float]]:
    tempos = [take.tempo_bpm for take in held.takes]
    reconstruct = getattr(module, "reconstruct", None)
    if reconstruct is not None:
        pieces: Sequence[Any] = [reconstruct(take.sound) for take in held.takes]
        losses: dict[str, float] = {}
    else:
        sampler = build(cfg.sampler, "sampler")
        pieces = module.generate(held.conditions, seconds=cfg.seconds, sampler=sampler, seed=cfg.seed)
        losses = language_losses(module, data, cfg.split)
    for name, group in (("made", pieces), ("real", [take.sound for take in held.takes])):
        write_takes(
            folder / name,
            group,
            name=name,
            captions=held.conditions.text,
            tempos=tempos,
            seconds=cfg.seconds,
        )
    return read_takes(folder / "made", seconds=cfg.seconds), losses


def _as_judged(real: Sequence[Take], made: Sequence[Take]) -> list[Take]:
    """Let the real music be heard where the made music is: written notes would flatter it."""
    heard = all(take.notes is None for take in made)
    return [replace(take, notes=None) if heard else take for take in real]


def judge(cfg: DictConfig, made: Sequence[Take], reference: Sequence[Take]) -> dict[str, float]:
    """Feed takes to every metric that has what it needs and return their values."""
    values: dict[str, float] = {}
    for name, metric in build_many(cfg.get("metric"), "metric").items():
        if "reference" in metric.needs and not reference:
            raise DiscoError(f"metric={name} compares with a reference", do="give reference=<folder>")
        metric.update(made, reference)
        values |= {f"{name}/{key}": value for key, value in metric.compute().items()}
    return values


def _with_the_runs_data(cfg: DictConfig) -> DictConfig:
    """Judge on the data that the run was trained on, unless the command line names other data."""
    typed = list(HydraConfig.get().overrides.task)
    if any(override.startswith("data=") for override in typed):
        return cfg
    data = OmegaConf.create({"data": first_run(cfg.run).config.data})
    changes = [override for override in typed if override.startswith("data.")]
    return OmegaConf.merge(cfg, data, OmegaConf.from_dotlist(changes))  # type: ignore[return-value]
