"""`scripts/conditions.py`: a small model per condition, and whether what it plays follows what it is told."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from disco.apps.conditions_corpus import build_corpus
from disco.apps.conditions_judges import InstrumentEar
from disco.apps.conditions_parts import PARTS, Ask, Heldout
from disco.apps.held_out import hold_out
from disco.apps.runs import Run, open_run
from disco.audio.clip import Clip
from disco.core.batch import Conditions
from disco.core.contracts import Sampler
from disco.core.files import write_text
from disco.data.audio import ManifestData
from disco.errors import DiscoError
from disco.report.page import Command, Grid, Page, write_page

if TYPE_CHECKING:
    from disco.core.contracts import Codec
    from disco.core.module import GenerativeModule

COLUMNS = ("told", "measured", "value", "without it", "real music", "goal", "reached", "")
LEAD = (
    "One small model per condition, trained on fiddle tunes, asked for what it has not met in training. "
    "Real music goes through the same codec; without the condition, or by chance, stands beside it."
)
GIVEN = ("melody", "midi", "style")
ROWS = "conditions.json"
KEY_SECONDS = 16.0  # of a score: eight bars
NOBODY = Heldout(conditions=Conditions(text=()), clips=(), notes=(), tempos_bpm=(), instruments=())
STUDIED = 96  # training clips that the judge of instruments hears
SMALL = "scale.width=128 scale.depth=2 scale.heads=4 scale.lr=4e-3 logger=none plan=off"
QUIET = "callbacks=[checkpoint,progress,history] data.num_workers=0"


def main(cfg: DictConfig) -> list[dict[str, Any]]:
    """Train what is not trained yet, measure what is not measured yet, print the table and write the page.

    Raises:
        DiscoError: there is no such part, or a training failed.
    """
    folder, console = Path(cfg.run_dir), Console()
    if unknown := [name for name in cfg.parts if name not in PARTS]:
        raise DiscoError(f"parts: there is no part '{unknown[0]}'", do=f"choose from {', '.join(PARTS)}")
    codec = _codec(cfg, folder, console)
    words = {name: _words(cfg, name, folder, codec) for name in cfg.parts}
    if any(name != "key" for name in cfg.parts):
        console.rule("corpus")
        build_corpus(
            Path(cfg.corpus),
            tempos_bpm=[float(one) for one in cfg.tempos_bpm],
            instruments=list(cfg.instruments),
            hours=cfg.hours,
        )
    for name in cfg.parts:
        console.rule(name)
        _train(words[name], Run(folder / name), console)
        _measure(cfg, name, folder)
    rows = [row for name in PARTS for row in _measured(folder / name)]
    console.print(_table(rows))
    _page(folder, rows, words)
    console.print(f"written to {folder / 'report.html'}")
    return rows


def _codec(cfg: DictConfig, folder: Path, console: Console) -> Path:
    """Return the folder of a trained codec; train one where there is none."""
    if Run(Path(cfg.codec_run)).weights.is_file():
        return Path(cfg.codec_run)
    run = Run(folder / "codec")
    console.rule("codec")
    words = f"model=autoencoder data.books=[ryan,bach] trainer.max_steps=200 optim.lr=3e-4 {cfg.more}"
    _train(shlex.split(f"train.py {words} resume=auto hydra.run.dir={run.folder}"), run, console)
    return run.folder


def _words(cfg: DictConfig, name: str, folder: Path, codec: Path) -> list[str]:
    if name == "key":
        keys = ",".join(cfg.asked_keys)
        what = f"model=symbolic data=demo augment=[] +conditioner.tags.vocabularies.key=[{keys}]"
    else:
        what = (
            f"model=musicgen {PARTS[name].words} model.seconds={cfg.crop_seconds:g} "
            f"codec=run codec.run={codec} "
            f"data=audio data.root={cfg.corpus} data.allow_missing=[caption] data.val_items=16"
        )
    steps = f"trainer.max_steps={cfg.steps[name]}"
    return shlex.split(
        f"train.py {what} {SMALL} {QUIET} {steps} {cfg.more} resume=auto hydra.run.dir={folder}/{name}"
    )


def _train(words: Sequence[str], run: Run, console: Console) -> None:
    """Run one training as a process of its own."""
    if run.facts:
        console.print("trained before")
        return
    console.print(f"$ python {shlex.join(words)}", markup=False, soft_wrap=True, style="cyan")
    if subprocess.run([sys.executable, *words], check=False).returncode:
        raise DiscoError(f"{run.folder}: the training failed", do="see its last lines above")


def _measure(cfg: DictConfig, name: str, folder: Path) -> None:
    """Let one model play, judge it, and write its figures beside it; once."""
    path = folder / name / ROWS
    if path.is_file():
        return
    module = open_run(folder / name)
    written = name == "key"
    seconds = KEY_SECONDS if written else cfg.seconds
    sampler = Sampler(temperature=0.9, top_k=0 if written else 50, guidance=float(cfg.guidance[name]))

    def play(conditions: Conditions) -> list[Any]:
        return list(module.generate(conditions, seconds=seconds, sampler=sampler, seed=cfg.seed))

    torch.manual_seed(cfg.seed)
    held, ear = (NOBODY, None) if written else _held(cfg, module)
    ask = Ask(
        held=held,
        ear=ear,
        tempos_bpm=[float(one) for one in cfg.tempos_bpm],
        instruments=list(cfg.instruments),
        keys=list(cfg.asked_keys),
        count=cfg.count,
    )
    rows = [asdict(row) for row in PARTS[name].measure(play, ask)]
    write_text(path, json.dumps(rows, indent=1, ensure_ascii=False))


def _held(cfg: DictConfig, module: GenerativeModule) -> tuple[Heldout, InstrumentEar]:
    """Return held-out music through the model's codec, and a judge that knows the training music so."""
    codec = getattr(module, "codec", None)
    assert codec is not None, "a model of sound has a codec"
    data = ManifestData(
        root=cfg.corpus,
        batch_size=1,
        num_workers=0,
        seed=cfg.seed,
        val_items=1,
        balance_by=None,
        balance_power=1.0,
        allow_missing=(),
        augments={},
    )
    parts = {split: len(data.records(split)) for split in ("val", "test")}
    some = [
        hold_out(
            data,
            split,
            seconds=cfg.seconds,
            count=max(2, cfg.count * number // sum(parts.values())),
            wants=GIVEN,
        )
        for split, number in parts.items()
    ]
    takes = [take for one in some for take in one.takes]
    known = hold_out(data, "train", seconds=cfg.seconds, count=STUDIED).takes
    held = Heldout(
        conditions=_joined([one.conditions for one in some]),
        clips=_through(codec, [take.sound for take in takes]),
        notes=[take.notes for take in takes if take.notes is not None],
        tempos_bpm=[take.tempo_bpm for take in takes if take.tempo_bpm is not None],
        instruments=[take.asked.instruments[0] for take in takes],
    )
    ear = InstrumentEar(
        _through(codec, [take.sound for take in known]), [take.asked.instruments[0] for take in known]
    )
    return held, ear


@torch.no_grad()
def _through(codec: Codec, clips: Sequence[Clip]) -> list[Clip]:
    """Return clips as the codec leaves them: nothing that speaks its tokens can sound better."""
    return [
        Clip(codec.decode(codec.encode(clip.resampled(codec.rate).wave[None]))[0], codec.rate)
        for clip in clips
    ]


def _joined(parts: Sequence[Conditions]) -> Conditions:
    """Return the items of several conditions of the same kinds, one behind the other."""
    return Conditions(
        text=tuple(text for one in parts for text in one.text),
        timing=torch.cat([one.timing for one in parts if one.timing is not None]),
        given={name: tuple(value for one in parts for value in one.given[name]) for name in GIVEN},
    )


def _measured(folder: Path) -> list[dict[str, Any]]:
    path = folder / ROWS
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []


def _cells(row: dict[str, Any]) -> list[str]:
    figures = [row["value"], row["floor"], row["ceiling"]]
    reached = {True: "yes", False: "no", None: ""}[row["passed"]]
    shown = ["" if one is None else f"{one:.2f}" for one in figures]
    return [row["condition"], row["measure"], *shown, row["goal"], reached, row["note"]]


def _table(rows: Sequence[dict[str, Any]]) -> Table:
    shown = Table(*COLUMNS)
    for row in rows:
        shown.add_row(*_cells(row))
    return shown


def _page(folder: Path, rows: Sequence[dict[str, Any]], words: dict[str, list[str]]) -> None:
    page = Page(
        title="What conditions move",
        lead=LEAD,
        grids=[Grid(title="Told and heard", columns=COLUMNS, rows=[_cells(row) for row in rows])],
        commands=[Command(text=name, command="python " + shlex.join(line)) for name, line in words.items()],
    )
    write_page(folder / "report.html", page)
