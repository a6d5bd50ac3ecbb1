"""`scripts/generate.py`: a trained run and a wish become WAV and MIDI files."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from disco.apps.generate_checks import check_choices, check_wish, seeds_of
from disco.apps.generate_files import settings_of
from disco.apps.generate_guidance import build_sampler
from disco.apps.generate_later import Change, read_changes
from disco.apps.runs import open_run
from disco.apps.takes import write_takes
from disco.audio.io import read_clip
from disco.core.batch import Conditions
from disco.core.record import Record
from disco.errors import DiscoError

if TYPE_CHECKING:
    from disco.audio.clip import Clip
    from disco.core.module import GenerativeModule

Strengthen = Callable[[Sequence[float]], None]


def main(cfg: DictConfig) -> list[Record]:
    """Write `count` takes into the output folder and say where they are."""
    check_wish(cfg)
    changes = read_changes(cfg)
    sampler, *later = [build_sampler(each) for each in (cfg, *(change.cfg for change in changes))]
    asked = wish(cfg)
    module, strengthen = _open(cfg, changes)
    for each in (sampler, *later):
        check_choices(each.top_k, getattr(module, "choices", each.top_k))
    begun = time.monotonic()
    seed, conditions = seeds_of(cfg), asked.to(module.device)
    perform = getattr(module, "perform", None)
    if perform is None:
        _refuse_chunks(cfg)
        pieces = module.generate(conditions, seconds=cfg.seconds, sampler=sampler, seed=seed)
    else:
        piece = perform(conditions, seconds=cfg.seconds, sampler=sampler, seed=seed, prompt=_prompt(cfg))
        _play(piece, cfg, changes, strengthen, rate=getattr(module, "frame_rate", 1.0))
        pieces = piece.clips()
    waited = time.monotonic() - begun
    folder = Path(cfg.run_dir)
    records = write_takes(
        folder,
        pieces,
        name="take",
        captions=[cfg.prompt] * cfg.count,
        tempos=[cfg.tempo_bpm] * cfg.count,
        seconds=cfg.seconds,
        suffix=f".{cfg.format}",
        comments=[settings_of(cfg, take) for take in range(cfg.count)],
    )
    console = Console()
    for record in records:
        console.print(f"{folder / record.file_path}  {record.duration:.1f} s", soft_wrap=True)
    music = cfg.count * cfg.seconds
    console.print(f"{music:.1f} s of music in {waited:.1f} s: {music / waited:.2f} × real time")
    return records


def wish(cfg: DictConfig) -> Conditions:
    """Return the same wish `count` times, beginning on a bar line."""
    upper, _, lower = str(cfg.metre).partition("/")
    if not (upper.isdigit() and lower.isdigit() and int(upper) and int(lower)):
        raise DiscoError(f"metre={cfg.metre}: this is no metre", do="write it like metre=6/8")
    beats = 4.0 * int(upper) / int(lower)
    return Conditions(
        text=(cfg.prompt,) * cfg.count,
        tags={str(name): (str(value),) * cfg.count for name, value in cfg.tags.items() if value is not None},
        timing=torch.tensor([[float(cfg.tempo_bpm), beats, 0.0]] * cfg.count),
    )


def _open(cfg: DictConfig, changes: Sequence[Change]) -> tuple[GenerativeModule, Strengthen]:
    """Open the run, and return what sets the strength of its adapters."""
    from disco.apps.mixing import Mixture, read_parts

    if cfg.device not in ("auto", "cpu", "cuda") or (cfg.device == "cuda" and not torch.cuda.is_available()):
        raise DiscoError(f"device={cfg.device}: there is none here", do="give device=cpu")
    where = ("cuda" if torch.cuda.is_available() else "cpu") if cfg.device == "auto" else cfg.device

    def nothing(strengths: Sequence[float]) -> None:
        """Nobody asks for it."""

    if all(change.strengths is None for change in changes):
        return open_run(cfg.run).to(where), nothing
    parts = read_parts(cfg.run)
    mixture = Mixture([part.run for part in parts])
    mixture.set([part.strength for part in parts])
    return mixture.module.eval().to(where), mixture.set


def _prompt(cfg: DictConfig) -> Clip | None:
    """Read the sound to go on from."""
    return None if cfg.go_on_from is None else read_clip(cfg.go_on_from, seconds=cfg.go_on_seconds)


def _refuse_chunks(cfg: DictConfig) -> None:
    """A model that writes scores writes them at once."""
    for key in ("go_on_from", "later"):
        if cfg[key]:
            raise DiscoError(f"{key}: this model writes its pieces whole", do=f"leave {key}=… out")


def _play(
    piece: Any, cfg: DictConfig, changes: Sequence[Change], strengthen: Strengthen, *, rate: float
) -> None:
    """Play a performance chunk by chunk, change what is to change, and tell how it goes."""
    waiting = list(changes)
    with Progress(
        TextColumn("playing"),
        BarColumn(),
        TextColumn("{task.completed:.1f} of {task.total:.1f} s, {task.fields[speed]:.2f} × real time"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as progress:
        bar = progress.add_task("playing", total=cfg.seconds, speed=0.0)
        begun, done = time.monotonic(), 0
        while piece.left:
            upto = done + max(1, round(cfg.chunk * rate))
            if waiting:
                upto = min(upto, max(done, round(waiting[0].at * rate)))
            done += piece.tokens(upto - done).shape[-1]
            while waiting and round(waiting[0].at * rate) <= done:
                _change(piece, waiting.pop(0), strengthen)
            speed = cfg.count * done / rate / (time.monotonic() - begun)
            progress.update(bar, completed=min(done / rate, cfg.seconds), speed=speed)


def _change(piece: Any, change: Change, strengthen: Strengthen) -> None:
    """Go on with another wish."""
    if change.strengths is not None:
        strengthen(change.strengths)
    conditions = wish(change.cfg).to(piece.model.device)
    piece.change(conditions=conditions, sampler=build_sampler(change.cfg))
