"""The demo's page: what came out, beside its floors and ceilings, to hear and to see."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from disco.apps.runs import Run
from disco.apps.takes import read_takes
from disco.core.metric import Take
from disco.report.chart import Curve, Level, Line
from disco.report.page import Bound, Command, Measure, Page, Player, PlayerGroup, write_page

if TYPE_CHECKING:
    from disco.apps.demo import Stage

Scores = Mapping[str, Mapping[str, float]]
NUM_PLAYED = 3  # takes of each kind on the page

LEAD = (
    "Music made in ten minutes on this machine, from real scores to sound: a model that writes tunes, a codec that "
    "turns sound into tokens, a language model over those tokens, and an adapter that teaches it a style it had "
    "never heard. Every figure stands beside what chance reaches and what the originals reach."
)
ROUGH = (
    "The audio model's rhythm is unsteady: compare its onsets on the sixteenth grid with the originals'.",
    "Its phrases wander; it has heard under two hours of music for three minutes.",
    "The codec keeps magnitudes only and guesses phases (Griffin-Lim): attacks are soft, long tones shimmer.",
    "The adapted model has learnt the sound of four voices, not the rules of part writing.",
    "All figures are from one seed and a dozen held-out crops; differences of a few hundredths mean nothing.",
)


def write_report(out: Path, stages: Sequence[Stage], walls: Mapping[str, float]) -> Path:
    """Write `report.html` from what the stages left behind, and `measures.json` beside it."""
    scores = {
        name: _scores(out, name) for name in ("symbolic", "codec", "musicgen", "lora", "base-on-chorales")
    }
    measures = [*_codec(out, scores), *_symbolic(scores), *_musicgen(scores), *_lora(out, scores)]
    page = Page(
        title="Disco Musica: the demo",
        lead=LEAD,
        measures=measures,
        groups=list(_groups(out)),
        curves=[
            _curve(out, "symbolic", "Writing tunes", scores["symbolic"], "trigram"),
            _curve(out, "codec", "Sound to tokens and back", {}, ""),
            _curve(out, "musicgen", "Speaking tokens", scores["musicgen"], "bigram"),
            _curve(out, "lora", "Adapting to chorales", scores["lora"], "bigram"),
        ],
        rough=ROUGH,
        commands=[
            *(Command(text=f"{s.says} ({walls.get(s.name, 0):.0f} s)", command=f"python {s.command}") for s in stages),
            Command(text="train the audio model ten times longer", command=f"python train.py model=musicgen codec=run codec.run={out}/codec data.hours=10 trainer.max_steps=5000"),
            Command(text="try four learning rates and ranks", command=f"python train.py -m sweep=lora_grid model=musicgen weights=run weights.run={out}/musicgen data.books=[bach]"),
            Command(text="train on your own music", command="python scripts/prepare.py prepare=folder source=~/songs target=data/mine && python train.py model=autoencoder data=audio data.root=data/mine"),
        ],
        footer=f"{sum(walls.values()) / 60:.1f} minutes of work.",
    )  # fmt: skip
    (out / "measures.json").write_text(json.dumps([vars(m) for m in measures], default=vars, indent=1))
    path = out / "report.html"
    write_page(path, page)
    return path


def _scores(out: Path, name: str) -> Scores:
    return json.loads((out / "evaluate" / name / "scores.json").read_text())


def _measure(
    name: str,
    value: float,
    meaning: str,
    *,
    goal: str = "",
    passed: bool | None = None,
    **bounds: tuple[str, float],
) -> Measure:
    made = {side: Bound(name=words, value=number) for side, (words, number) in bounds.items()}
    return Measure(name=name, value=value, meaning=meaning, goal=goal, passed=passed, **made)


def _codec(out: Path, scores: Mapping[str, Scores]) -> list[Measure]:
    made, real = scores["codec"]["made"], scores["codec"]["real"]
    ratio = made["onset_f1/ratio"]
    use = {k: v for k, v in Run(out / "codec").facts["measures"].items() if k.startswith("val/perplexity")}
    size = Run(out / "codec").config.model.quantizer.cardinality
    return [
        _measure(
            "Codec: notes kept",
            ratio,
            "Onset F1 of what a transcriber hears after the codec, over what it hears in the original.",
            goal="at least 0.85",
            passed=ratio >= 0.85,
            floor=("nothing kept", 0.0),
            ceiling=("original", real["onset_f1/ratio"]),
        ),
        _measure(
            "Codec: least used codebook",
            min(use.values()),
            "Perplexity: how many entries are in use, as if used equally often.",
            goal=f"over a quarter of {size}",
            passed=min(use.values()) > size / 4,
            floor=("one entry", 1.0),
            ceiling=("all entries", float(size)),
        ),
    ]


def _symbolic(scores: Mapping[str, Scores]) -> list[Measure]:
    made = scores["symbolic"]["made"]
    return [
        _measure(
            "Tunes: loss per token",
            made["loss"],
            "Surprise at the next note of held-out tunes, in nats; less is better.",
            goal="40 % below a trigram's",
            passed=made["loss"] <= 0.6 * made["loss_ngram"],
            floor=("trigram", made["loss_ngram"]),
        ),
        *_note_measures("Tunes", scores["symbolic"]),
    ]


def _musicgen(scores: Mapping[str, Scores]) -> list[Measure]:
    made = scores["musicgen"]["made"]
    return [
        _measure(
            "Audio: loss per token",
            made["loss"],
            "Surprise at the next token of held-out audio, in nats; less is better.",
            goal="below a bigram's",
            passed=made["loss"] < made["loss_ngram"],
            floor=("bigram", made["loss_ngram"]),
        ),
        _measure(
            "Audio: loss with the wrong captions",
            made["loss_shuffled"],
            "The same with captions of other pieces: the gap is what captions tell it.",
            goal="above the loss with the right ones",
            passed=made["loss_shuffled"] > made["loss"],
        ),
        *_note_measures("Audio", scores["musicgen"]),
        _measure(
            "Audio: takes without a fault",
            made["signal/ok"],
            "Share of takes with the asked length and rate, not silent, not clipped.",
            goal="all",
            passed=made["signal/ok"] == 1.0,
            floor=("none", 0.0),
            ceiling=("all", 1.0),
        ),
    ]


def _lora(out: Path, scores: Mapping[str, Scores]) -> list[Measure]:
    adapted, base = scores["lora"]["made"], scores["base-on-chorales"]["made"]
    share = Run(out / "lora").weights.stat().st_size / Run(out / "musicgen").weights.stat().st_size
    loss = adapted["loss"]
    return [
        _measure(
            "Adapter: loss on chorales",
            loss,
            "Surprise at the next token of held-out chorales after adapting.",
            goal="10 % below the base's and below a bigram's of chorales",
            passed=loss <= 0.9 * base["loss"] and loss < adapted["loss_ngram"],
            floor=("base", base["loss"]),
            ceiling=("bigram of chorales", adapted["loss_ngram"]),
        ),
        _measure(
            "Adapter: size of its file",
            100 * share,
            "Per cent of the base's file.",
            goal="under 5 %",
            passed=share < 0.05,
        ),
    ]


def _note_measures(what: str, scores: Scores) -> list[Measure]:
    rows = (
        ("notes_per_second", "notes per second", "How busy it is."),
        ("interval", "mean interval", "Semitones between successive melody notes."),
        ("steps", "steps", "Share of melody steps up to four semitones."),
        ("on_grid", "rhythm", "Share of onset gaps on the sixteenth grid; .32 is chance."),
    )
    measures = []
    for key, name, meaning in rows:
        bounds = {"ceiling": ("original", scores["real"][f"notes/{key}"])}
        if "random" in scores:
            bounds["floor"] = ("random tokens", scores["random"][f"notes/{key}"])
            meaning += "".join(
                f" {floor.capitalize()}: {scores[floor][f'notes/{key}']:.2f}."
                for floor in ("decoded", "shuffled")
            )
        measures.append(_measure(f"{what}: {name}", scores["made"][f"notes/{key}"], meaning, **bounds))
    return measures


def _groups(out: Path) -> list[PlayerGroup]:
    evaluate = out / "evaluate"
    return [
        PlayerGroup(title="Written tunes", text="Notes first, then a soundfont.", players=_players("tune", evaluate / "symbolic" / "made")),
        PlayerGroup(title="The codec", text="Held-out originals, then through the codec.", players=[*_players("original", evaluate / "codec" / "real"), *_players("decoded", evaluate / "codec" / "made")]),
        PlayerGroup(title="The audio model", text="Made from captions of held-out tunes.", players=[*_players("base", evaluate / "musicgen" / "made"), *_players("real", evaluate / "musicgen" / "real")]),
        PlayerGroup(title="Before and after adapting to chorales", text="The same captions and seeds.", players=[*_players("base", evaluate / "base-on-chorales" / "made"), *_players("adapted", evaluate / "lora" / "made"), *_players("real", evaluate / "lora" / "real")]),
        PlayerGroup(title="What no music sounds like", text="Real frames in no order, and random tokens.", players=[*_players("shuffled", evaluate / "musicgen" / "shuffled"), *_players("random", evaluate / "musicgen" / "random")]),
    ]  # fmt: skip


def _players(name: str, folder: Path) -> list[Player]:
    takes: list[Take] = read_takes(folder)[:NUM_PLAYED]
    return [Player(name=f"{name} {i}", clip=take.sound, notes=take.notes) for i, take in enumerate(takes, 1)]


def _curve(out: Path, name: str, title: str, scores: Scores, baseline: str) -> Curve:
    rows = [json.loads(line) for line in (out / name / "history.jsonl").read_text().splitlines()]
    lines = []
    for key, words in (("train/loss", "training"), ("val/loss", "validation")):
        points = [(row["step"], row[key]) for row in rows if row.get(key) is not None]
        lines.append(Line(name=words, steps=[s for s, _ in points], values=[v for _, v in points]))
    levels = [Level(name=baseline, value=scores["made"]["loss_ngram"])] if scores else []
    return Curve(title=title, lines=lines, levels=levels, y_label="loss")
