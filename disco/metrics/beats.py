"""Do its beats fall where the reference's do?"""

import warnings
from collections.abc import Mapping
from typing import ClassVar

import mir_eval
import numpy as np
from jaxtyping import Float

from disco.core.metric import Averaged, Take
from disco.core.ranges import NaturalFloat, PositiveFloat
from disco.metrics.hearing import beats_of, onset_strength, tempo_of


class BeatAgreement(Averaged):
    """Tracked beats against the reference's, as `mir_eval.beat` scores them, mean over takes.

    The reference's beats are the known ones, else those that are tracked in it; the made take's are always
    tracked in what is heard. `f_measure`: beats within `tolerance` of each other. `cmlt`: share of beats
    at the right tempo and phase; `amlt`: the same where double, half and off-beat tapping count too.
    `interval_cv`: how much the made beats' distances vary, as a share of their mean.

    Args:
        tolerance: seconds between two beats that still are one.
        trim: seconds at the start that do not count; the convention for whole songs is 5.
    """

    needs = frozenset({"made", "reference"})
    deaf: ClassVar[Mapping[str, str]] = {
        "detune": "time has no pitch",
    }
    higher_is_better: ClassVar[Mapping[str, bool | None]] = {
        "f_measure": True,
        "cmlt": True,
        "amlt": True,
        "interval_cv": None,
    }

    def __init__(self, *, tolerance: PositiveFloat, trim: NaturalFloat) -> None:
        super().__init__()
        self.tolerance = tolerance
        self.trim = trim

    def measure(self, made: Take, reference: Take | None) -> dict[str, float]:
        """Track and compare the beats of one take."""
        assert reference is not None, "update gives one"
        known = tracked_beats(reference) if reference.beats is None else reference.beats
        heard = tracked_beats(made)
        gaps = np.diff(heard)
        wanted, found = (mir_eval.beat.trim_beats(beats, self.trim) for beats in (known, heard))
        return beat_scores(wanted, found, tolerance=self.tolerance) | {
            "interval_cv": float(gaps.std() / gaps.mean()) if len(gaps) else 0.0
        }


def tracked_beats(take: Take) -> Float[np.ndarray, " n"]:
    """Return the beats that are heard in a take, in seconds."""
    strength = onset_strength(take)
    tempo = tempo_of(strength)
    if tempo is None:
        return np.zeros(0)
    return beats_of(strength, tempo.bpm)


def beat_scores(
    reference: Float[np.ndarray, " n"], estimate: Float[np.ndarray, " m"], *, tolerance: float
) -> dict[str, float]:
    """Return F-measure, CMLt and AMLt; no beats agree with no beats alone."""
    if not len(reference) or not len(estimate):
        return dict.fromkeys(("f_measure", "cmlt", "amlt"), float(len(reference) == len(estimate)))
    score = mir_eval.beat.f_measure(reference, estimate, f_measure_threshold=tolerance)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where a sequence has a single beat, and answers 0
        _, cmlt, _, amlt = mir_eval.beat.continuity(reference, estimate)
    return {"f_measure": float(score), "cmlt": float(cmlt), "amlt": float(amlt)}
