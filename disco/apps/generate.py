"""`scripts/generate.py`: a trained run and a wish become WAV and MIDI files."""

from __future__ import annotations

from pathlib import Path

import torch
from omegaconf import DictConfig
from rich.console import Console

from disco.apps.compose import build
from disco.apps.runs import open_run
from disco.apps.takes import write_takes
from disco.core.batch import Conditions
from disco.core.record import Record
from disco.errors import DiscoError


def main(cfg: DictConfig) -> list[Record]:
    """Write `count` takes into the output folder and say where they are."""
    sampler = build(cfg.sampler, "sampler")
    for key in ("seconds", "count", "tempo_bpm"):
        if cfg[key] <= 0:
            raise DiscoError(f"{key}={cfg[key]}: it must be above 0", do=f"give {key}=…")
    module = open_run(cfg.run)
    pieces = module.generate(
        wish(cfg.prompt, cfg.tags, cfg.tempo_bpm, cfg.metre, cfg.count),
        seconds=cfg.seconds,
        sampler=sampler,
        seed=cfg.seed,
    )
    folder = Path(cfg.run_dir)
    records = write_takes(
        folder,
        pieces,
        name="take",
        captions=[cfg.prompt] * cfg.count,
        tempos=[cfg.tempo_bpm] * cfg.count,
        seconds=cfg.seconds,
    )
    console = Console()
    for record in records:
        console.print(f"{folder / record.file_path}  {record.duration:.1f} s")
    return records


def wish(prompt: str | None, tags: DictConfig, tempo_bpm: float, metre: str, count: int) -> Conditions:
    """Return the same wish `count` times, beginning on a bar line."""
    upper, _, lower = metre.partition("/")
    if not (upper.isdigit() and lower.isdigit() and int(lower)):
        raise DiscoError(f"metre={metre}: this is no metre", do="write it like metre=6/8")
    beats = 4.0 * int(upper) / int(lower)
    return Conditions(
        text=(prompt,) * count,
        tags={str(name): (str(value),) * count for name, value in tags.items() if value is not None},
        timing=torch.tensor([[tempo_bpm, beats, 0.0]] * count),
    )
