"""The demo's page: what came out, beside its floors and ceilings, to hear and to see."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from disco.apps.demo_measures import Scores, measure_all
from disco.apps.scores import read_table
from disco.apps.takes import read_takes
from disco.core.files import write_text
from disco.report.chart import Curve, Level
from disco.report.history import read_lines
from disco.report.page import Command, Page, Player, PlayerGroup, write_page

if TYPE_CHECKING:
    from disco.apps.demo import Stage

NUM_PLAYED = 3  # takes of each kind on the page
JUDGED = ("symbolic", "codec", "musicgen", "lora", "base-on-chorales")

LEAD = (
    "Music made in minutes on this machine, from real scores to sound: a model that writes tunes, a codec "
    "that turns sound into tokens, a language model over those tokens, and an adapter that teaches it a "
    "style it had never heard. Every figure stands beside what chance and what the originals reach."
)
ROUGH = (
    "The audio model's rhythm is unsteady: compare its onsets on the sixteenth grid with the originals'.",
    "Its phrases wander: it has heard little more than an hour of music, for minutes.",
    "The codec keeps magnitudes only and guesses phases (Griffin-Lim): attacks are soft, long tones shimmer.",
    "The adapted model has learnt the sound of four voices, not the rules of part writing.",
    "All figures are from one seed and a dozen held-out crops; differences of a few hundredths mean nothing.",
)
# What stands beside what: title, sentence, and (name, folder of takes) of each kind.
PLAYED = (
    ("Written tunes", "Notes first, then a soundfont.", (("tune", "symbolic/made"),)),
    (
        "The codec",
        "Held-out originals, then the same through the codec.",
        (("original", "codec/real"), ("decoded", "codec/made")),
    ),
    (
        "The audio model",
        "Made from the captions of held-out tunes, beside the tunes.",
        (("base", "musicgen/made"), ("real", "musicgen/real")),
    ),
    (
        "Before and after adapting to chorales",
        "The same captions and seeds.",
        (("base", "base-on-chorales/made"), ("adapted", "lora/made"), ("real", "lora/real")),
    ),
    (
        "What is no music",
        "Real frames in no order, and random tokens.",
        (("shuffled", "musicgen/shuffled"), ("random", "musicgen/random")),
    ),
)


def write_report(out: Path, stages: Sequence[Stage], walls: Mapping[str, float]) -> Path:
    """Write `report.html` from what the stages left behind, and `measures.json` beside it."""
    scores = {name: _scores(out, name) for name in JUDGED}
    measures = measure_all(out, scores)
    page = Page(
        title="Disco Musica: the demo",
        lead=LEAD,
        measures=measures,
        groups=[
            PlayerGroup(title=title, text=text, players=list(_players(out / "evaluate", kinds)))
            for title, text, kinds in PLAYED
        ],
        curves=[
            _curve(out, "symbolic", "Writing tunes", "trigram", scores["symbolic"]),
            _curve(out, "codec", "Sound to tokens and back"),
            _curve(out, "musicgen", "Speaking tokens", "bigram", scores["musicgen"]),
            _curve(out, "lora", "Adapting to chorales", "bigram of chorales", scores["lora"]),
        ],
        rough=ROUGH,
        commands=[*_made_by(stages, walls), *_go_on(out)],
        footer=f"{sum(walls.values()) / 60:.1f} minutes of work.",
    )
    write_text(out / "measures.json", json.dumps([asdict(measure) for measure in measures], indent=1))
    path = out / "report.html"
    write_page(path, page)
    return path


def _scores(out: Path, name: str) -> Scores:
    return read_table(out / "evaluate" / name)


def _players(evaluate: Path, kinds: Sequence[tuple[str, str]]) -> Iterator[Player]:
    for name, folder in kinds:
        for number, take in enumerate(read_takes(evaluate / folder)[:NUM_PLAYED], 1):
            yield Player(name=f"{name} {number}", clip=take.sound.mono(), notes=take.notes)


def _curve(out: Path, name: str, title: str, baseline: str = "", scores: Scores | None = None) -> Curve:
    lines = read_lines(out / name / "history.jsonl", ["train/loss", "val/loss"])
    levels = [Level(name=baseline, value=scores["made"]["loss_ngram"])] if scores else []
    return Curve(title=title, lines=lines, levels=levels)


def _made_by(stages: Sequence[Stage], walls: Mapping[str, float]) -> Iterator[Command]:
    for stage in stages:
        yield Command(
            text=f"{stage.says} ({walls.get(stage.name, 0):.0f} s)", command=f"python {stage.command}"
        )


def _go_on(out: Path) -> Iterator[Command]:
    yield Command(
        text="train the audio model ten times longer",
        command="python train.py model=musicgen data.hours=10 trainer.max_steps=5000",
    )
    yield Command(
        text="try learning rates and ranks",
        command="python train.py -m sweep=lora_grid model=musicgen data.books=[bach]",
    )
    yield Command(
        text="ask for something",
        command=f'python scripts/generate.py run={out}/musicgen prompt="a jig in G major on the flute"',
    )
    yield Command(
        text="train on your own music",
        command="python scripts/prepare.py prepare=audio source=~/songs target=data/mine && "
        "python train.py model=autoencoder data=audio data.root=data/mine",
    )
