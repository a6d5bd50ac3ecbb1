"""Measures of what was made: fed take by take, in any order, on any number of machines."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from jaxtyping import Float, Int

from disco.audio.clip import Clip
from disco.errors import DiscoError
from disco.midi.score import NoteTable

if TYPE_CHECKING:
    from disco.audio.spectrum import Curves

CURVE_SAMPLING = 22050  # Hz at which curves are taken
CURVE_RATE = CURVE_SAMPLING / 512  # frames per second of the curves
FAULTS = ("noise", "low-pass", "detune", "jitter", "shuffle")  # planted to see what a measure hears
SHORTEST_NOTE = 0.09  # seconds: of 0.03 to 0.13 the best onset F1 on rendered sixteenths at 120 bpm


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """What a piece was asked to be, beside its length and tempo; of real music, what is known of it.

    Attributes:
        caption: the sentence it was asked with; None where there was none.
        key: `D major`, `Dmaj`, `Ador`, …; None where nothing was said.
        instruments: their names; moods: words such as `calm`; both empty where nothing was said.
        notes: the notes that should sound.
    """

    caption: str | None = None
    key: str | None = None
    instruments: tuple[str, ...] = ()
    moods: tuple[str, ...] = ()
    notes: NoteTable | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Take:
    """One piece as a judge gets it.

    Attributes:
        name: what people call it.
        clip: its sound; None where only notes exist.
        notes: its notes, where it was made from or as a score.
        seconds: the length that was asked for.
        tempo_bpm: quarter notes per minute, where known.
        asked: what else it was asked to be.
        beats: seconds of its beats, where known.
        codes: the tokens it was made of, where a codec made it.
    """

    name: str | None = None
    clip: Clip | None = None
    notes: NoteTable | None = None
    seconds: float | None = None
    tempo_bpm: float | None = None
    asked: Asked = field(default_factory=Asked)
    beats: Float[np.ndarray, " n"] | None = None
    codes: Int[np.ndarray, "k f"] | None = None

    @cached_property
    def heard(self) -> NoteTable:
        """The notes that a transcriber hears in the clip; worked out once for all metrics.

        Raises:
            DiscoError: there is no clip.
        """
        from disco.midi.transcribe import transcribe  # onnxruntime, only where asked for

        return transcribe(self.sound, min_seconds=SHORTEST_NOTE)

    @cached_property
    def curves(self) -> Curves:
        """The spectral curves of the clip in mono at 22050 Hz; worked out once for all metrics.

        Raises:
            DiscoError: there is no clip.
        """
        from disco.audio.spectrum import describe  # numba, only where asked for

        wave = self.sound.mono().resampled(CURVE_SAMPLING).wave.detach().cpu().float()
        return describe(wave.nan_to_num(0.0, 0.0, 0.0).clamp(-1e3, 1e3).numpy(), CURVE_SAMPLING)

    @property
    def written(self) -> NoteTable:
        """The notes themselves where they are known, the heard ones elsewhere."""
        return self.heard if self.notes is None else self.notes

    @property
    def sound(self) -> Clip:
        """The clip.

        Raises:
            DiscoError: there is none.
        """
        if self.clip is None:
            raise DiscoError("this measure listens, but a take has no sound", do="render its score first")
        return self.clip

    @property
    def length(self) -> float:
        """Seconds of the clip; without one, the asked length; without that, the end of the last note."""
        if self.clip is not None:
            return self.clip.seconds
        if self.seconds is not None:
            return self.seconds
        return float(self.written.offset.max(initial=0.0))


class Metric(ABC):
    """A measure over takes: `update` per batch, `merge` over shards, `compute` at the end.

    Keeps one row per take and sums them up only in `compute`, so neither order nor sharding matter.

    Attributes:
        needs: {"made"}, or {"made", "reference"} where it compares; with "training" where it must know
            what the model was trained on.
        higher_is_better: value name to True, False, or None where the reference's own value is best.
        deaf: faults of `FAULTS` that it does not hear, being what it is, and why; a report says so.
    """

    needs: ClassVar[frozenset[str]]
    higher_is_better: ClassVar[Mapping[str, bool | None]]
    deaf: ClassVar[Mapping[str, str]] = {}

    def __init__(self) -> None:
        self.rows: list[Any] = []

    def update(self, made: Sequence[Take], reference: Sequence[Take] = ()) -> None:
        """Count further takes; `reference` stands in the order of `made`.

        Raises:
            DiscoError: references are needed, and there is not one per take.
        """
        if "reference" not in self.needs:
            self.rows += [self.measure(take, None) for take in made]
            return
        if len(made) != len(reference):
            raise DiscoError(
                f"{type(self).__name__} compares {len(made)} takes with {len(reference)} references",
                do="give one reference per take",
            )
        self.rows += [self.measure(take, other) for take, other in zip(made, reference, strict=True)]

    def merge(self, other: Metric) -> None:
        """Take over what another shard counted."""
        self.rows += other.rows

    def compute(self) -> dict[str, float]:
        """Return every value by name; NaN where no take defines it.

        Raises:
            DiscoError: nothing was counted.
        """
        if not self.rows:
            raise DiscoError(f"{type(self).__name__} has heard no takes", do="update it before computing")
        values = self.summarise(self.rows)
        assert values.keys() == self.higher_is_better.keys(), "every value says which way is better"
        return values

    def __len__(self) -> int:
        """Takes counted so far."""
        return len(self.rows)

    @abstractmethod
    def measure(self, made: Take, reference: Take | None) -> Any:
        """Reduce one take to the row that `summarise` reads."""

    @abstractmethod
    def summarise(self, rows: Sequence[Any]) -> dict[str, float]:
        """Reduce all rows to the values."""


class Averaged(Metric):
    """A metric whose row is its values for one take; a value is the mean over the takes that define it."""

    @abstractmethod
    def measure(self, made: Take, reference: Take | None) -> dict[str, float]:
        """Return every value of one take; NaN where the take does not define it."""

    def summarise(self, rows: Sequence[dict[str, float]]) -> dict[str, float]:
        """Average each value over the takes."""
        return {name: average(row[name] for row in rows) for name in self.higher_is_better}


def average(values: Iterable[float]) -> float:
    """Return the mean of the values that are defined, in any order the same; NaN where none is."""
    defined = [value for value in values if not math.isnan(value)]
    return math.fsum(defined) / len(defined) if defined else math.nan
