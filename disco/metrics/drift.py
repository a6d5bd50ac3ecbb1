"""Does a long piece stay itself: key, tempo, loudness and tone colour from part to part?"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from disco.audio.spectrum import decibels
from disco.core.metric import CURVE_RATE, Averaged, Take
from disco.core.ranges import PositiveFloat
from disco.metrics.hearing import chroma_of, onset_strength
from disco.metrics.silence import FRAME, frame_levels
from disco.metrics.tempo import local_tempos
from disco.metrics.tonality import fifths_apart, find_key

_LEAST_PARTS = 4
_AUDIBLE_DB = -60.0  # quieter moments say nothing about loudness or colour


class Drift(Averaged):
    """How far a take moves away from where it began, and how fast, mean over takes.

    The take is cut into parts of `part` seconds, at least four. Real music modulates and swells: its own
    values are the yardstick, and more than theirs is drift.

    * `key`: steps on the circle of fifths between the keys of its first and last third.
    * `key_changes`: mean steps between successive parts.
    * `tempo`: octaves between the median tempo of its first and last third, octave errors aside.
    * `loudness`: decibels between its first and last third; `loudness_slope`: decibels per minute of the
      straight line through all parts, without its sign.
    * `colour`: mean difference of the mel-band levels in decibels between the first and the last third,
      overall level aside.
    * `colour_slope`: how much the difference from the first part grows, in decibels per minute.

    Args:
        part: seconds of a part.
    """

    needs = frozenset({"made"})
    higher_is_better: ClassVar[Mapping[str, bool | None]] = dict.fromkeys(
        ("key", "key_changes", "tempo", "loudness", "loudness_slope", "colour", "colour_slope")
    )

    def __init__(self, *, part: PositiveFloat) -> None:
        super().__init__()
        self.part = part

    def measure(self, made: Take, reference: Take | None) -> dict[str, float]:
        """Follow one clip from part to part; a clip without frames for four parts defines nothing."""
        if len(made.curves.mel) < _LEAST_PARTS or made.length < _LEAST_PARTS * FRAME:
            return dict.fromkeys(self.higher_is_better, math.nan)
        course = course_of(made, self.part)
        third = max(1, len(course.loudness) // 3)
        minutes = course.seconds / 60.0
        apart = np.abs(course.colour - course.colour[0]).mean(1)
        first, last = course.colour[:third].mean(0), course.colour[-third:].mean(0)
        return {
            "key": float(_fifths(course.chroma[:third].sum(0), course.chroma[-third:].sum(0))),
            "key_changes": float(np.mean([_fifths(a, b) for a, b in pairwise(course.chroma)])),
            "tempo": tempo_drift(made, self.part),
            "loudness": abs(float(course.loudness[-third:].mean() - course.loudness[:third].mean())),
            "loudness_slope": abs(slope(course.loudness)) / minutes,
            "colour": float(np.abs(last - first).mean()),
            "colour_slope": slope(apart) / minutes,
        }


@dataclass(frozen=True, eq=False)
class Course:
    """A clip part by part: mean pitch classes, level in dB, band levels in dB without their mean."""

    chroma: Float[np.ndarray, "n 12"]
    loudness: Float[np.ndarray, " n"]
    colour: Float[np.ndarray, "n bands"]
    seconds: float


def course_of(take: Take, part: float) -> Course:
    """Cut the clip of a take into equal parts of about `part` seconds, at least four."""
    clip = take.sound
    count = max(_LEAST_PARTS, round(clip.seconds / part))
    levels = frame_levels(clip)
    heard = np.maximum(levels, _AUDIBLE_DB)
    bands = decibels(take.curves.mel, float(take.curves.mel.max(initial=0.0)))
    colour = np.stack([piece.mean(0) for piece in np.array_split(bands, count)]).astype(np.float64)
    return Course(
        chroma=np.stack([piece.sum(0) for piece in np.array_split(chroma_of(take), count)]).astype(
            np.float64
        ),
        loudness=np.array(
            [
                10.0 * np.log10(np.mean(10.0 ** (piece / 10.0))) if len(piece) else _AUDIBLE_DB
                for piece in np.array_split(heard, count)
            ]
        ),
        colour=colour - colour.mean(1, keepdims=True),
        seconds=max(clip.seconds, FRAME),
    )


def tempo_drift(take: Take, part: float) -> float:
    """Return the octaves between the median tempos of the first and the last third; 0 without a pulse."""
    tempos = local_tempos(onset_strength(take), max(part, 8.0 / CURVE_RATE))
    if not len(tempos):
        return 0.0
    third = max(1, len(tempos) // 3)
    return abs(float(np.log2(np.median(tempos[-third:]) / np.median(tempos[:third]))))


def slope(values: Float[np.ndarray, " n"]) -> float:
    """Return how far the straight line through the values of equal parts rises from end to end."""
    if len(values) < 2:
        return 0.0
    middles = (np.arange(len(values)) + 0.5) / len(values)
    return float(np.polyfit(middles, values, 1)[0])


def _fifths(a: np.ndarray, b: np.ndarray) -> int:
    keys = find_key(a), find_key(b)
    return 0 if keys[0] is None or keys[1] is None else fifths_apart(keys[0], keys[1])
