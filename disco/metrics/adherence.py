"""Does it do what it was asked?"""

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from disco.core.metric import Averaged, Take
from disco.core.ranges import NaturalFloat, PositiveFloat
from disco.metrics.hearing import onset_strength, tempo_of
from disco.metrics.key import sounding_classes
from disco.metrics.mood import heard_mood, mood_agreement
from disco.metrics.tempo import is_tempo
from disco.metrics.tonality import find_key, mirex_score, parse_key
from disco.midi.compare import onset_agreement

_VALUES = ("tempo", "key", "notes", "duration", "mood")


class Adherence(Averaged):
    """What was asked for against what is heard, each 0 to 1, mean over the takes that were asked for it.

    * `tempo`: within `tempo_tolerance` of the asked one, or of its half or double.
    * `key`: MIREX score of the key of the heard notes.
    * `notes`: onset F1 of the heard notes against the asked ones, within `onset_tolerance`.
    * `duration`: within `duration_tolerance` seconds of the asked length.
    * `mood`: share of the asked moods' sides (pleasant or not, lively or not) on which the music is; by a
      plain rule, see `disco.metrics.mood`.
    * `overall`: mean of these per take, then over takes. Instruments and captions have metrics of their own
      (`instruments`, which must know the training data, and `tag_text`).
    * `tempo_correlation`: of asked and heard tempos over the takes (Pearson); not defined where fewer
      than three different tempos were asked for.
    """

    needs = frozenset({"made"})
    deaf: ClassVar[Mapping[str, str]] = {
        "noise": "notes and pulse are heard through noise as loud as the music",
    }
    higher_is_better: ClassVar[Mapping[str, bool | None]] = dict.fromkeys(
        (*_VALUES, "overall", "tempo_correlation"), True
    )

    def __init__(
        self,
        *,
        tempo_tolerance: PositiveFloat,
        onset_tolerance: PositiveFloat,
        duration_tolerance: NaturalFloat,
    ) -> None:
        super().__init__()
        self.tempo_tolerance = tempo_tolerance
        self.onset_tolerance = onset_tolerance
        self.duration_tolerance = duration_tolerance

    def measure(self, made: Take, reference: Take | None) -> dict[str, float]:
        """Check one take against each thing that was asked of it."""
        heard = tempo_of(onset_strength(made)) if made.tempo_bpm is not None else None
        values = {
            "tempo": self._tempo(made, heard.bpm if heard else None),
            "key": self._key(made),
            "notes": self._notes(made),
            "duration": self._duration(made),
            "mood": mood_agreement(made.asked.moods, heard_mood(made)) if made.asked.moods else math.nan,
        }
        met = [value for value in values.values() if not math.isnan(value)]
        return values | {
            "overall": math.fsum(met) / len(met) if met else math.nan,
            "asked_bpm": made.tempo_bpm if made.tempo_bpm is not None else math.nan,
            "heard_bpm": heard.bpm if heard else math.nan,
        }

    def summarise(self, rows: Sequence[dict[str, float]]) -> dict[str, float]:
        """Average, and correlate asked and heard tempos."""
        known = [row for row in rows if not math.isnan(row["heard_bpm"])]
        together = correlation(sorted((row["asked_bpm"], row["heard_bpm"]) for row in known))
        values = [{**row, "tempo_correlation": together} for row in rows]
        return super().summarise(values)

    def _tempo(self, made: Take, heard: float | None) -> float:
        wanted = made.tempo_bpm
        if wanted is None:
            return math.nan
        if heard is None:
            return 0.0
        return float(any(is_tempo(heard, wanted * by, self.tempo_tolerance) for by in (1.0, 2.0, 0.5)))

    def _key(self, made: Take) -> float:
        if made.asked.key is None:
            return math.nan
        return mirex_score(parse_key(made.asked.key), find_key(sounding_classes(made)))

    def _notes(self, made: Take) -> float:
        if made.asked.notes is None:
            return math.nan
        return onset_agreement(made.asked.notes, made.written, tolerance=self.onset_tolerance).f1

    def _duration(self, made: Take) -> float:
        if made.seconds is None:
            return math.nan
        return float(abs(made.length - made.seconds) <= self.duration_tolerance + 1e-9)


def correlation(pairs: Sequence[tuple[float, float]]) -> float:
    """Return Pearson's correlation; NaN for fewer than three values on the left, 0 for one on the right."""
    if len({left for left, _ in pairs}) < 3:
        return math.nan
    if len({right for _, right in pairs}) < 2:
        return 0.0
    return float(np.corrcoef(np.array(pairs).T)[0, 1])
