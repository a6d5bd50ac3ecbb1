"""What the rhythm is like: does each bar resemble the last, how straight, how tight, how syncopated is it?"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float

from disco.core.metric import Averaged, Take
from disco.core.ranges import PositiveFloat, PositiveInt
from disco.metrics.beats import tracked_beats

# How much a place in a bar of 4/4 in sixteenths weighs: 0 the bar line, -4 an odd sixteenth (Longuet-Higgins
# and Lee 1984, "The Rhythmic Interpretation of Monophonic Music").
_WEIGHTS = np.array([0, -4, -3, -4, -2, -4, -3, -4, -1, -4, -3, -4, -2, -4, -3, -4])
_SAME_ONSET = 0.03  # seconds within which onsets are one


class Groove(Averaged):
    """Rhythm on the grid of beats, drums included, mean over takes.

    Beats are the known ones, else those of the asked tempo from second 0, else tracked ones; where they are
    not known, the grid is moved by up to half a place to where most onsets lie on it. Takes without beats,
    or with fewer than two bars, leave out what they do not define.

    * `similarity`: 1 minus the share of grid places where one bar has an onset and the next has none
      (`groove_consistency` of Dong et al. 2020, "MusPy"; pooled over voices).
    * `consistency`: 1 minus the spread of the number of onsets per bar, as a share of its mean.
    * `swing`: where the off-beat eighth lies in beats that hold just one more onset, as a median: 0.5 is
      straight, 0.667 triplet swing, 0.75 dotted.
    * `on_grid`: share of onsets within `tolerance` of a grid place. `microtiming`: their mean distance
      from the grid in milliseconds.
    * `syncopation`: weight of the rests that onsets before them override, per bar of four beats
      (Longuet-Higgins and Lee 1984; a place held from a weaker one counts the difference).

    Args:
        beats_per_bar: quarter notes per bar.
        divisions: grid places per beat; 4 is sixteenths, 12 has triplets too.
        tolerance: seconds beside the grid that still are on it.
    """

    needs = frozenset({"made"})
    deaf: ClassVar[Mapping[str, str]] = {
        "noise": "the pulse is heard through noise as loud as the music",
        "detune": "time has no pitch",
    }
    higher_is_better: ClassVar[Mapping[str, bool | None]] = {
        "similarity": None,
        "consistency": None,
        "swing": None,
        "on_grid": True,
        "microtiming": None,
        "syncopation": None,
    }

    def __init__(
        self, *, beats_per_bar: PositiveInt, divisions: PositiveInt, tolerance: PositiveFloat
    ) -> None:
        super().__init__()
        self.beats_per_bar = beats_per_bar
        self.divisions = divisions
        self.tolerance = tolerance

    def measure(self, made: Take, reference: Take | None) -> dict[str, float]:
        """Describe the rhythm of one take."""
        rhythm = rhythm_of(made)
        if rhythm is None or not len(rhythm.places):
            return dict.fromkeys(self.higher_is_better, math.nan)
        places = rhythm.places
        if made.beats is None:
            places = places - grid_offset(places, self.divisions, self.tolerance / rhythm.beat_seconds)
        off = np.abs(_off_grid(places, self.divisions)) * rhythm.beat_seconds
        bars = bar_patterns(places, self.beats_per_bar, self.divisions)
        quarters = bar_patterns(places, 4, 4)
        return {
            "similarity": groove_similarity(bars),
            "consistency": evenness(bars.sum(1)),
            "swing": swing_ratio(places),
            "on_grid": float((off <= self.tolerance + 1e-9).mean()),
            "microtiming": 1000.0 * float(off.mean()),
            "syncopation": float(np.mean([syncopation(bar) for bar in quarters])),
        }


@dataclass(frozen=True, eq=False)
class Rhythm:
    """Onsets counted in beats from the first beat on, sorted, and the mean length of a beat."""

    places: Float[np.ndarray, " n"]
    beat_seconds: float


def rhythm_of(take: Take) -> Rhythm | None:
    """Place the onsets of a take on its beats; None where it has no beats."""
    onsets = np.sort(take.written.onset)
    onsets = onsets[np.diff(onsets, prepend=-np.inf) > _SAME_ONSET]
    if take.beats is None and take.tempo_bpm is not None:
        return Rhythm(onsets * take.tempo_bpm / 60.0, 60.0 / take.tempo_bpm)
    beats = tracked_beats(take) if take.beats is None else take.beats
    if len(beats) < 2:
        return None
    first, last = beats[1] - beats[0], beats[-1] - beats[-2]
    before = np.ceil((beats[0] - onsets.min(initial=beats[0])) / first) + 1
    after = np.ceil((onsets.max(initial=beats[-1]) - beats[-1]) / last) + 1
    early = beats[0] - first * np.arange(before, 0, -1)  # the pulse goes on where the beats end
    late = beats[-1] + last * np.arange(1, after + 1)
    grid = np.concatenate([early, beats, late])
    places = np.interp(onsets, grid, np.arange(len(grid)) - before)
    return Rhythm(places[places > -0.5], float(np.diff(beats).mean()))


def grid_offset(places: Float[np.ndarray, " n"], divisions: int, tolerance: float) -> float:
    """Return the least shift, up to half a grid place, that puts most onsets on the grid; in beats.

    Args:
        places: onsets in beats.
        divisions: grid places per beat.
        tolerance: beats beside the grid that still are on it.
    """
    shifts = np.linspace(-0.5, 0.5, 41) / divisions
    shifts = shifts[np.argsort(np.abs(shifts), kind="stable")]
    hits = [(np.abs(_off_grid(places - shift, divisions)) <= tolerance + 1e-9).sum() for shift in shifts]
    return float(shifts[int(np.argmax(hits))])


def bar_patterns(
    places: Float[np.ndarray, " n"], beats_per_bar: int, divisions: int
) -> Bool[np.ndarray, "bars places"]:
    """Return, bar by bar, at which grid places something begins."""
    steps = np.maximum(0, np.rint(places * divisions)).astype(np.int64)
    width = beats_per_bar * divisions
    pattern = np.zeros((int(steps.max(initial=0)) // width + 1, width), dtype=bool)
    pattern[steps // width, steps % width] = True
    return pattern


def groove_similarity(bars: Bool[np.ndarray, "bars places"]) -> float:
    """Return 1 minus the mean share of places that differ from the bar before; NaN for a single bar."""
    return 1.0 - float((bars[1:] != bars[:-1]).mean()) if len(bars) > 1 else math.nan


def evenness(counts: np.ndarray) -> float:
    """Return 1 minus the coefficient of variation, 0 at least; NaN for a single bar."""
    return max(0.0, 1.0 - float(counts.std() / counts.mean())) if len(counts) > 1 else math.nan


def swing_ratio(places: Float[np.ndarray, " n"]) -> float:
    """Return how far behind its beat the median off-beat is, in beats with just one; 0.5 where none."""
    beat = np.floor(places + 0.125).astype(np.int64)  # an onset just before the beat belongs to it
    phase = places - beat
    off = [
        float(np.ptp(phase[beat == one]))
        for one in np.unique(beat)
        if (beat == one).sum() == 2 and phase[beat == one].min() <= 0.125
    ]
    return float(np.median([place for place in off if 0.4 <= place <= 0.8] or [0.5]))


def syncopation(bar: Bool[np.ndarray, " 16"]) -> float:
    """Return the syncopation of one bar in sixteenths: every rest heavier than the note that runs into it."""
    total, sounding = 0.0, None
    for place, begins in enumerate(bar):
        if begins:
            sounding = place
        elif sounding is not None and _WEIGHTS[place] > _WEIGHTS[sounding]:
            total += float(_WEIGHTS[place] - _WEIGHTS[sounding])
            sounding = place
    return total


def _off_grid(places: np.ndarray, divisions: int) -> np.ndarray:
    return places - np.rint(places * divisions) / divisions
