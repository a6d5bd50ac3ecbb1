"""The demo's figures, each beside its floor and its ceiling, with the goal it was held against."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from disco.apps.runs import Run
from disco.report.page import Bound, Measure

Scores = Mapping[str, Mapping[str, float]]  # system → measure → value

NOTES = (
    ("notes_per_second", "notes per second", "How busy it is."),
    ("interval", "mean interval", "Semitones between successive melody notes."),
    ("steps", "steps", "Share of melody steps up to four semitones."),
    ("on_grid", "rhythm", "Share of onset gaps on the sixteenth grid; 0.32 is chance."),
)


def measure_all(out: Path, scores: Mapping[str, Scores]) -> list[Measure]:
    """Return every figure of the demo in `out`, by stage."""
    return [
        *_codec(out, scores["codec"]),
        *_symbolic(scores["symbolic"]),
        *_musicgen(scores["musicgen"]),
        *_lora(out, scores["lora"], scores["base-on-chorales"]),
    ]


def _codec(out: Path, scores: Scores) -> Iterator[Measure]:
    ratio = scores["made"]["onset_f1/ratio"]
    yield Measure(
        name="Codec: notes kept",
        value=ratio,
        meaning="Onset F1 of what a transcriber hears after the codec, over what it hears in the original.",
        goal="at least 0.85",
        passed=ratio >= 0.85,
        floor=Bound(name="nothing kept", value=0.0),
        ceiling=Bound(name="original", value=scores["real"]["onset_f1/ratio"]),
    )
    run = Run(out / "codec")
    least = min(v for k, v in run.facts["measures"].items() if k.startswith("val/perplexity"))
    size = run.config.model.quantizer.cardinality
    yield Measure(
        name="Codec: least used codebook",
        value=least,
        meaning="Perplexity: how many entries are in use, as if used equally often.",
        goal=f"over a quarter of {size}",
        passed=least > size / 4,
        floor=Bound(name="one entry", value=1.0),
        ceiling=Bound(name="all entries", value=float(size)),
    )


def _symbolic(scores: Scores) -> Iterator[Measure]:
    made = scores["made"]
    yield Measure(
        name="Tunes: loss per token",
        value=made["loss"],
        meaning="Surprise at the next note of held-out tunes, in nats; less is better.",
        goal="40 % below a trigram's",
        passed=made["loss"] <= 0.6 * made["loss_ngram"],
        floor=Bound(name="trigram", value=made["loss_ngram"]),
    )
    yield from _notes("Tunes", scores)


def _musicgen(scores: Scores) -> Iterator[Measure]:
    made = scores["made"]
    yield Measure(
        name="Audio: loss per token",
        value=made["loss"],
        meaning="Surprise at the next token of held-out audio, in nats; less is better.",
        goal="below a bigram's",
        passed=made["loss"] < made["loss_ngram"],
        floor=Bound(name="bigram", value=made["loss_ngram"]),
    )
    yield Measure(
        name="Audio: loss with the wrong description",
        value=made["loss_shuffled"],
        meaning="The same with captions and tags of other pieces: the gap is what it listens to. "
        f"With wrong captions and the right tags: {made['loss_captions']:.3f}.",
        goal="above the loss with the right ones",
        passed=made["loss_shuffled"] > made["loss"],
    )
    yield from _notes("Audio", scores)
    yield Measure(
        name="Audio: takes without a fault",
        value=made["signal/ok"],
        meaning="Share of takes with the asked length and rate, not silent, not clipped.",
        goal="all",
        passed=made["signal/ok"] == 1.0,
        floor=Bound(name="none", value=0.0),
        ceiling=Bound(name="all", value=1.0),
    )


def _lora(out: Path, adapted: Scores, base: Scores) -> Iterator[Measure]:
    loss, before = adapted["made"]["loss"], base["made"]["loss"]
    bigram = adapted["made"]["loss_ngram"]
    yield Measure(
        name="Adapter: loss on chorales",
        value=loss,
        meaning="Surprise at the next token of held-out chorales after adapting. "
        f"Counting them again, without a network: {adapted['made']['loss_prior']:.2f}.",
        goal="10 % below the base's, and below a bigram of chorales",
        passed=loss <= 0.9 * before and loss < bigram,
        floor=Bound(name="base", value=before),
        ceiling=Bound(name="bigram of chorales", value=bigram),
    )
    share = Run(out / "lora").weights.stat().st_size / Run(out / "musicgen").weights.stat().st_size
    yield Measure(
        name="Adapter: size of its file",
        value=100 * share,
        unit="%",
        meaning="Beside the base's file; it holds only what moved.",
        goal="under 5 %",
        passed=share < 0.05,
    )


def _notes(what: str, scores: Scores) -> Iterator[Measure]:
    for key, name, meaning in NOTES:
        values = {system: row[f"notes/{key}"] for system, row in scores.items()}
        beside = "".join(
            f" {s.capitalize()}: {values[s]:.2f}." for s in ("decoded", "shuffled") if s in values
        )
        yield Measure(
            name=f"{what}: {name}",
            value=values["made"],
            meaning=meaning + beside,
            floor=Bound(name="random tokens", value=values["random"]) if "random" in values else None,
            ceiling=Bound(name="original", value=values["real"]),
        )
