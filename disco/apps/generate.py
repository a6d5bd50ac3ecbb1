"""`scripts/generate.py`: a trained run and a wish become WAV and MIDI files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from disco.apps.generate_checks import check_choices, check_wish, seeds_of
from disco.apps.generate_files import settings_of
from disco.apps.generate_guidance import build_ensemble, build_sampler
from disco.apps.generate_later import Change, read_changes
from disco.apps.generate_wish import hears_words, spoken, wish
from disco.apps.runs import open_run
from disco.apps.takes import write_takes
from disco.audio.io import read_clip
from disco.core.record import Record
from disco.errors import DiscoError

if TYPE_CHECKING:
    from disco.apps.ensembles import Ensemble
    from disco.audio.clip import Clip
    from disco.core.contracts import Sampler
    from disco.core.module import GenerativeModule

Strengthen = Callable[[Sequence[float]], None]
Report = Callable[[float, float], None]  # told the seconds that are played, and × real time


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be played, checked as far as that goes without a model.

    Attributes:
        samplers: of the beginning, and of each of the changes.
    """

    cfg: DictConfig
    changes: Sequence[Change]
    samplers: Sequence[Sampler]
    ensemble: Ensemble | None


def main(cfg: DictConfig) -> list[Record]:
    """Write `count` takes into the output folder and say where they are."""
    order = read_order(cfg)
    module, strengthen = _open(order)
    if cfg.prompt is not None and not hears_words(module):
        Console(stderr=True).print("note: this run was not trained with words; it goes by tags and tempo")
    begun = time.monotonic()
    with _shown(float(cfg.seconds)) as report:
        records = make(order, module, strengthen=strengthen, report=report)
    waited = time.monotonic() - begun
    console = Console()
    for record in records:
        console.print(f"{Path(cfg.run_dir) / record.file_path}  {record.duration:.1f} s", soft_wrap=True)
    music = _made(order) * cfg.seconds
    console.print(f"{music:.1f} s of music in {waited:.1f} s: {music / waited:.2f} × real time")
    return records


def read_order(cfg: DictConfig) -> Order:
    """Check everything that can be checked before a model is opened.

    Raises:
        DiscoError: names the key.
    """
    check_wish(cfg)
    changes = read_changes(cfg)
    ensemble = build_ensemble(cfg)
    wishes = [cfg, *(change.cfg for change in changes)]
    samplers = [build_sampler(each, ensemble) for each in wishes]
    for each in wishes:
        wish(each, ensemble=ensemble)
    return Order(cfg=cfg, changes=changes, samplers=samplers, ensemble=ensemble)


def make(order: Order, module: GenerativeModule, *, strengthen: Strengthen, report: Report) -> list[Record]:
    """Play an order with an opened model, write its takes into `order.cfg.run_dir` and return their records.

    Raises:
        DiscoError: what is asked for is not what this model can do.
    """
    cfg = order.cfg
    for sampler in order.samplers:
        check_choices(sampler.top_k, getattr(module, "choices", sampler.top_k))
    conditions = wish(cfg, module, order.ensemble).to(module.device)
    seed, sampler = seeds_of(cfg, of=_each(order)), order.samplers[0]
    pieces: Any  # clips or scores
    perform = getattr(module, "perform", None)
    if perform is None:
        _refuse_chunks(cfg)
        pieces = module.generate(conditions, seconds=cfg.seconds, sampler=sampler, seed=seed)
        kept = list(range(cfg.count))
    else:
        piece = perform(conditions, seconds=cfg.seconds, sampler=sampler, seed=seed, prompt=_prompt(cfg))
        codes = _play(piece, order, strengthen, report, rate=getattr(module, "frame_rate", 1.0))
        kept, pieces = _kept(order, module, codes, conditions), piece.clips()
    return write_takes(
        Path(cfg.run_dir),
        [pieces[place] for place in kept],
        name="take",
        captions=[spoken(cfg)] * cfg.count,
        tempos=[cfg.tempo_bpm] * cfg.count,
        seconds=cfg.seconds,
        suffix=f".{cfg.format}",
        comments=[settings_of(cfg, take) for take in range(cfg.count)],
    )


def where(cfg: DictConfig) -> str:
    """Return the device to play on.

    Raises:
        DiscoError: there is no such device.
    """
    if cfg.device not in ("auto", "cpu", "cuda") or (cfg.device == "cuda" and not torch.cuda.is_available()):
        raise DiscoError(f"device={cfg.device}: there is none here", do="give device=cpu")
    return ("cuda" if torch.cuda.is_available() else "cpu") if cfg.device == "auto" else cfg.device


def unchanged(strengths: Sequence[float]) -> None:
    """Leave strengths as they are: nobody asks for others."""


def _each(order: Order) -> int:
    return 1 if order.ensemble is None else order.ensemble.of


def _made(order: Order) -> int:
    return order.cfg.count * _each(order)


def _open(order: Order) -> tuple[GenerativeModule, Strengthen]:
    """Open the run, and return what sets the strength of its adapters."""
    from disco.apps.mixing import Mixture, read_parts

    device = where(order.cfg)
    if all(change.strengths is None for change in order.changes):
        return open_run(order.cfg.run).to(device), unchanged
    parts = read_parts(order.cfg.run)
    mixture = Mixture([part.run for part in parts])
    mixture.set([part.strength for part in parts])
    return mixture.module.eval().to(device), mixture.set


def _prompt(cfg: DictConfig) -> Clip | None:
    """Read the sound to go on from."""
    return None if cfg.go_on_from is None else read_clip(cfg.go_on_from, seconds=cfg.go_on_seconds)


def _refuse_chunks(cfg: DictConfig) -> None:
    """A model that writes scores writes them at once."""
    for key in ("go_on_from", "later", "ensemble"):
        if cfg.get(key):
            raise DiscoError(f"{key}: this model writes its pieces whole", do=f"leave {key}=… out")


def _kept(order: Order, module: GenerativeModule, codes: Any, conditions: Any) -> list[int]:
    """Return the places of the takes that are kept."""
    if _each(order) == 1:
        return list(range(order.cfg.count))
    from disco.apps.ensembles import agreement, best_of

    return best_of(agreement(module, codes, conditions), _each(order))


@contextmanager
def _shown(seconds: float) -> Iterator[Report]:
    """Show on the terminal how far it is."""
    with Progress(
        TextColumn("playing"),
        BarColumn(),
        TextColumn("{task.completed:.1f} of {task.total:.1f} s, {task.fields[speed]:.2f} × real time"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as progress:
        bar = progress.add_task("playing", total=seconds, speed=0.0)
        yield lambda done, speed: progress.update(bar, completed=done, speed=speed)


def _play(piece: Any, order: Order, strengthen: Strengthen, report: Report, *, rate: float) -> torch.Tensor:
    """Play a performance chunk by chunk, change what is to change, tell how it goes; return the tokens."""
    cfg, waiting, samplers = order.cfg, list(order.changes), list(order.samplers[1:])
    begun, done, chunks = time.monotonic(), 0, []
    while piece.left:
        upto = done + max(1, round(cfg.chunk * rate))
        if waiting:
            upto = min(upto, max(done, round(waiting[0].at * rate)))
        chunks.append(piece.tokens(upto - done))
        done += chunks[-1].shape[-1]
        while waiting and round(waiting[0].at * rate) <= done:
            change = waiting.pop(0)
            if change.strengths is not None:
                strengthen(change.strengths)
            conditions = wish(change.cfg, piece.model, order.ensemble).to(piece.model.device)
            piece.change(conditions=conditions, sampler=samplers.pop(0))
        speed = _made(order) * done / rate / (time.monotonic() - begun)
        report(min(done / rate, float(cfg.seconds)), speed)
    return torch.cat(chunks, -1)
