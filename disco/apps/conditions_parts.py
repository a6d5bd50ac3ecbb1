"""The parts of `scripts/conditions.py`: how each model is trained, and what must follow what it is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch

from disco.apps.conditions_corpus import paint
from disco.apps.conditions_judges import (
    InstrumentEar,
    accuracy,
    better,
    heard_key,
    heard_tempos,
    melody_likeness,
    onset_f1,
    own_against_others,
)
from disco.audio.clip import Clip
from disco.core.batch import Conditions
from disco.core.given import Picture
from disco.metrics.tonality import parse_key
from disco.midi.score import NoteTable, note_table

Play = Callable[[Conditions], list]  # a trained model, with its guidance


@dataclass(frozen=True)
class Heldout:
    """Music that no model was trained on, as the codec leaves it, and what is known of it."""

    conditions: Conditions
    clips: Sequence[Clip]
    notes: Sequence[NoteTable]
    tempos_bpm: Sequence[float]
    instruments: Sequence[str]


@dataclass(frozen=True)
class Ask:
    """What may be asked for, and who judges.

    Attributes:
        ear: tells instruments apart; slowest: of the octave to which heard tempos are folded.
    """

    held: Heldout
    ear: InstrumentEar | None
    tempos_bpm: Sequence[float]
    instruments: Sequence[str]
    keys: Sequence[str]
    count: int

    @property
    def slowest(self) -> float:
        """The lowest tempo that heard ones are folded to: asked ones lie in the middle of its octave."""
        return float(np.sqrt(min(self.tempos_bpm) * max(self.tempos_bpm) / 2))


@dataclass(frozen=True)
class Row:
    """One measured figure.

    Attributes:
        floor: what it is without the condition, or by chance; ceiling: of real music through the codec.
        goal: in words; passed: whether it was met, None where nothing was asked.
    """

    condition: str
    measure: str
    value: float
    floor: float | None
    ceiling: float | None
    goal: str
    passed: bool | None
    note: str = ""


@dataclass(frozen=True)
class Part:
    """One small model: the words of its training, and its measures."""

    words: str
    measure: Callable[[Play, Ask], list[Row]]


def words_part(play: Play, ask: Ask) -> list[Row]:
    """Ask for every tempo on every instrument."""
    every = list(product(ask.tempos_bpm, ask.instruments))
    asked = [every[place % len(every)] for place in range(-(-ask.count // len(every)) * len(every))]
    told = Conditions(
        text=(None,) * len(asked),
        tags={**_reels(len(asked)), "instrument": tuple(name for _, name in asked)},
        timing=torch.tensor([[tempo, 4.0, 0.0] for tempo, _ in asked]),
    )
    made = play(told)
    wanted = np.array([tempo for tempo, _ in asked])
    tempo, real = heard_tempos(made, ask.slowest), heard_tempos(ask.held.clips, ask.slowest)
    value, ceiling = _pearson(wanted, tempo), _pearson(np.array(ask.held.tempos_bpm), real)
    first = Row("tempo", "asked and heard, r", value, 0.0, ceiling, "r ≥ 0.8", value >= 0.8)
    return [first, _instruments(made, [name for _, name in asked], ask, "instrument (tag)")]


def style_part(play: Play, ask: Ask) -> list[Row]:
    """Give excerpts of held-out music, whose instrument should be taken over."""
    made = play(_only(ask.held.conditions, "style"))
    return [_instruments(made, ask.held.instruments, ask, "style (an excerpt)")]


def image_part(play: Play, ask: Ask) -> list[Row]:
    """Show pictures that nobody has seen."""
    asked = [ask.instruments[place % len(ask.instruments)] for place in range(ask.count)]
    shown = [paint(name, ask.instruments, 10_000_000 + place) for place, name in enumerate(asked)]
    pictures = [Picture(torch.from_numpy(one).permute(2, 0, 1) / 255.0) for one in shown]
    made = play(replace(_silent(ask.count), given={"image": tuple(pictures)}))
    row = _instruments(made, asked, ask, "image (its colour)")
    return [replace(row, goal="≥ 80 %", passed=row.value >= 0.8)]


def melody_part(play: Play, ask: Ask) -> list[Row]:
    """Give melodies of held-out music, and compare chroma with them and with one another's."""
    made = play(_only(ask.held.conditions, "melody"))
    own, others, p = own_against_others(melody_likeness(made, ask.held.clips))
    note = f"Wilcoxon p = {p:.1g}"
    goal = "above shuffled, p < 0.01"
    return [Row("melody", "chroma likeness", own, others, 1.0, goal, own > others and p < 0.01, note)]


def midi_part(play: Play, ask: Ask) -> list[Row]:
    """Give held-out scores, and transcribe what is made with them and without."""
    told = _only(ask.held.conditions, "midi")
    with_it, without = (onset_f1(play(one), ask.held.notes) for one in (told, told.silent()))
    ceiling = float(np.mean(onset_f1(ask.held.clips, ask.held.notes)))
    value, floor, p = float(np.mean(with_it)), float(np.mean(without)), better(with_it, without)
    note, goal = f"Wilcoxon p = {p:.1g}", "above untold, p < 0.01"
    return [Row("MIDI", "onset F1, 50 ms", value, floor, ceiling, goal, value > floor and p < 0.01, note)]


def key_part(play: Play, ask: Ask) -> list[Row]:
    """Ask for scores in every key."""
    asked = [ask.keys[place % len(ask.keys)] for place in range(ask.count)]
    told = {**_reels(ask.count), "instrument": ("violin",) * ask.count, "key": tuple(asked)}
    scores = play(replace(_silent(ask.count), tags=told))
    heard = [heard_key(note_table(score)) for score in scores]
    value, chance = accuracy([str(parse_key(key)) for key in asked], heard), 1.0 / len(ask.keys)
    return [Row("key (tag)", "accuracy", value, chance, None, f"≥ {3 * chance:.0%}", value >= 3 * chance)]


def _instruments(made: Sequence[Clip], asked: Sequence[str], ask: Ask, condition: str) -> Row:
    assert ask.ear is not None, "there is sound to be judged"
    value, chance = accuracy(asked, ask.ear.hear(made)), 1.0 / len(ask.instruments)
    ceiling = accuracy(ask.held.instruments, ask.ear.hear(ask.held.clips))
    return Row(condition, "accuracy", value, chance, ceiling, f"≥ {3 * chance:.0%}", value >= 3 * chance)


def _pearson(asked: np.ndarray, heard: np.ndarray) -> float:
    known = ~np.isnan(heard)
    if known.sum() < 3 or np.ptp(heard[known]) == 0 or np.ptp(asked[known]) == 0:
        return 0.0
    return float(np.corrcoef(asked[known], heard[known])[0, 1])


def _silent(count: int) -> Conditions:
    """Say nothing, but how fast the beat goes where a clock is heard."""
    return Conditions(text=(None,) * count, timing=torch.tensor([[115.0, 4.0, 0.0]] * count))


def _reels(count: int) -> dict[str, tuple[str, ...]]:
    """Ask for the most usual dance, as every piece of the training data is one dance or another."""
    return {"rhythm": ("reel",) * count, "metre": ("2/2",) * count}


def _only(conditions: Conditions, name: str) -> Conditions:
    """Tell one thing of each piece, and its clock."""
    return Conditions(
        text=(None,) * len(conditions), timing=conditions.timing, given={name: conditions.given[name]}
    )


PARTS: Mapping[str, Part] = {
    "words": Part("conditioner=[tags,beats]", words_part),
    "key": Part("", key_part),
    "melody": Part("conditioner=[melody]", melody_part),
    "midi": Part("conditioner=[midi]", midi_part),
    "style": Part("conditioner=[style,beats]", style_part),
    "image": Part("conditioner=[image,beats]", image_part),
}
