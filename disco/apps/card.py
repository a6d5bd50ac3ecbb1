"""The card of a base that ships: what it is, what it was trained on, for how long, and how well it does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from disco.apps.runs import Run
from disco.errors import DiscoError

TERMS = (
    "Licence of the weights: Apache-2.0, as the code. The compositions are in the public domain; what is "
    "known of the rights in the encodings they were typed from is told file by file in "
    "[the corpus' notes](../../disco/corpus/scores/NOTICE.md), and was not cleared for every chorale."
)
LIMITS = (
    "It knows two kinds of music, on General MIDI instruments at one tempo, and nothing else. It is there to "
    "be adapted and to try the framework with, not to be listened to for its own sake."
)


def card(run: Run, config: DictConfig, size_mb: float, scores: Sequence[str]) -> str:
    """Return the card as Markdown, every figure out of the run's own files.

    Raises:
        DiscoError: the run is not finished.
    """
    facts = run.facts
    if "steps" not in facts or "seconds" not in facts:
        raise DiscoError(f"{run.folder} says neither its steps nor its time", do="name a finished run")
    family = config.model._target_.rpartition(".")[2]
    lines = [
        f"# {family}, trained on the demo corpus",
        "",
        f"{facts['parameters']['total']:,} parameters, {size_mb:.1f} MB in float16.",
        "",
        *(f"* {line}" for line in _what(config)),
        f"* trained for {facts['steps']:,} steps of {config.data.batch_size} in "
        f"{facts['seconds'] / 3600:.2g} h on {_machine(config)}",
        "",
        LIMITS,
        "",
        TERMS,
        "",
        "## Figures",
        "",
        *_table(
            [("at the end of training", name, value, "") for name, value in sorted(facts["measures"].items())]
        ),
    ]
    rows = [row for folder in scores for row in _measured(Path(folder))]
    lines += ["", "Measured by `scripts/evaluate.py`:", "", *_table(rows)] if rows else [
        "", "Not evaluated by `scripts/evaluate.py`."
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _what(config: DictConfig) -> Iterator[str]:
    data = config.data
    hours = "the whole demo corpus" if data.hours is None else f"{data.hours:g} h of the demo corpus"
    instruments = "the default instruments" if not data.instruments else ", ".join(data.instruments)
    yield f"data: {hours} ({', '.join(data.books)}), on {instruments}, {data.tempo_bpm:g} bpm, {data.rate} Hz"
    yield "held out: the corpus' own validation and test pieces"
    if conditioners := config.get("conditioner"):
        yield f"told by: {', '.join(str(name) for name in conditioners)}"


def _machine(config: DictConfig) -> str:
    return "CPU" if config.trainer.accelerator == "cpu" else str(config.trainer.accelerator)


def _measured(folder: Path) -> Iterator[tuple[str, str, float, str]]:
    from disco.apps.scores import read_found

    for system, cells in read_found(folder).systems.items():
        for measure, cell in cells.items():
            spread = "" if cell.low is None or cell.high is None else f"{cell.low:.4g} to {cell.high:.4g}"
            yield system, measure, cell.value, spread


def _table(rows: Sequence[tuple[str, str, Any, str]]) -> list[str]:
    body = [f"| {where} | {what} | {float(value):.4g} | {spread} |" for where, what, value, spread in rows]
    return ["| of | measure | value | 95 % |", "|---|---|---|---|", *body]
