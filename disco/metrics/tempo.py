"""Is it as fast as it should be, and does it keep its tempo?"""

import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from disco.core.metric import CURVE_RATE, Averaged, Take
from disco.core.ranges import PositiveFloat
from disco.metrics.hearing import onset_strength, tempo_of

_OCTAVES = (1.0, 2.0, 1.0 / 2.0, 3.0, 1.0 / 3.0)
_SLACK = 1e-9  # so that the tolerance itself counts


class TempoAgreement(Averaged):
    """The tempo that is heard, against the one that was asked for, mean over takes.

    Without an asked tempo the reference's is taken: its known one, else what is heard in it.

    * `accuracy1`: share of takes within `tolerance` of the wanted tempo (Gouyon et al. 2006).
    * `accuracy2`: the same where half, double, a third and three times the tempo count too.
    * `error`: octaves between heard and wanted; takes without a pulse count as one octave off.
    * `stability`: 1 minus how much the tempo of `window` seconds varies over the take, as a share of it,
      octaves aside. Neither is good in itself: rubato lowers it, a drum machine reaches 1.
    * `confidence`: how strongly the onsets repeat with the heard tempo, 0 to 1.

    Args:
        tolerance: share of the wanted tempo that an estimate may be off.
        window: seconds over which a local tempo is taken.
    """

    needs = frozenset({"made", "reference"})
    deaf: ClassVar[Mapping[str, str]] = {
        "detune": "time has no pitch",
    }
    higher_is_better: ClassVar[Mapping[str, bool | None]] = {
        "accuracy1": True,
        "accuracy2": True,
        "error": False,
        "stability": None,
        "confidence": None,
    }

    def __init__(self, *, tolerance: PositiveFloat, window: PositiveFloat) -> None:
        super().__init__()
        self.tolerance = tolerance
        self.window = window

    def measure(self, made: Take, reference: Take | None) -> dict[str, float]:
        """Hear the tempo of one take and compare it."""
        strength = onset_strength(made)
        heard = tempo_of(strength)
        wanted = wanted_tempo(made, reference)
        values = {
            "stability": tempo_stability(strength, self.window),
            "confidence": heard.confidence if heard else 0.0,
        }
        if wanted is None:
            return values | dict.fromkeys(("accuracy1", "accuracy2", "error"), math.nan)
        right = [heard is not None and is_tempo(heard.bpm, wanted * by, self.tolerance) for by in _OCTAVES]
        error = min(1.0, abs(math.log2(heard.bpm / wanted))) if heard else 1.0
        return values | {"accuracy1": float(right[0]), "accuracy2": float(any(right)), "error": error}


def wanted_tempo(made: Take, reference: Take | None) -> float | None:
    """Return the tempo a take should have: asked for, else known of the reference, else heard in it."""
    if made.tempo_bpm is not None or reference is None:
        return made.tempo_bpm
    if reference.tempo_bpm is not None:
        return reference.tempo_bpm
    heard = tempo_of(onset_strength(reference))
    return heard.bpm if heard else None


def is_tempo(bpm: float, wanted: float, tolerance: float) -> bool:
    """Say whether a tempo is the wanted one, to a share of it."""
    return abs(bpm - wanted) <= tolerance * wanted + _SLACK


def local_tempos(strength: Float[np.ndarray, " f"], window: float) -> Float[np.ndarray, " n"]:
    """Return the tempo of overlapping windows, moved into the octave around their median.

    A take shorter than two windows is cut into three overlapping halves.
    """
    frames = min(round(window * CURVE_RATE), max(1, len(strength) // 2))
    starts = range(0, max(1, len(strength) - frames + 1), max(1, frames // 2))
    found = [tempo_of(strength[start : start + frames]) for start in starts]
    tempos = np.array([tempo.bpm for tempo in found if tempo is not None])
    if not len(tempos):
        return tempos
    middle = float(np.median(tempos))
    return tempos / 2.0 ** np.rint(np.log2(tempos / middle))


def tempo_stability(strength: Float[np.ndarray, " f"], window: float) -> float:
    """Return 1 minus the coefficient of variation of the local tempos, 0 where there is no pulse."""
    tempos = local_tempos(strength, window)
    return max(0.0, 1.0 - float(tempos.std() / tempos.mean())) if len(tempos) else 0.0
