"""Which instruments does it sound like, and are they the asked ones?"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from disco.core.metric import Take, average
from disco.core.ranges import PositiveInt
from disco.errors import DiscoError
from disco.metrics.training import Studied

_AUDIBLE_DB = 40.0  # below the loudest frame: softer ones say nothing about colour


@dataclass(frozen=True, eq=False)
class Colours:
    """The mean tone colour of each ensemble in the training data, each value in its own deviation."""

    ensembles: tuple[tuple[str, ...], ...]
    centres: Float[np.ndarray, "n d"]
    mean: Float[np.ndarray, " d"]
    deviation: Float[np.ndarray, " d"]


class Instruments(Studied):
    """Takes are heard as the ensemble of the training data whose mean tone colour is nearest.

    `precision`: share of the heard instruments that were asked for; `recall`: share of the asked ones
    that are heard; `exact`: share of takes whose ensemble is just the asked one. Takes that were asked for
    no instrument do not count. It knows the ensembles of the training data only.

    Args:
        root: folder of the training data; None where `learn` is called.
        most: training pieces to study at most.
    """

    needs = frozenset({"made", "training"})
    deaf: ClassVar[Mapping[str, str]] = {
        "noise": "the nearest ensemble of the training data stays the nearest",
        "detune": "tone colour has no pitch",
        "jitter": "it averages over the take, whatever comes when",
    }
    higher_is_better: ClassVar[Mapping[str, bool | None]] = {
        "precision": True,
        "recall": True,
        "exact": True,
    }

    def __init__(self, *, root: str | None, most: PositiveInt) -> None:
        super().__init__(root=root, most=most)

    def study(self, training: Iterable[Take]) -> Colours:
        """Average the tone colours of each ensemble.

        Raises:
            DiscoError: the training data names no instruments.
        """
        found: dict[tuple[str, ...], list[np.ndarray]] = defaultdict(list)
        for take in training:
            if take.asked.instruments:
                found[tuple(sorted(take.asked.instruments))].append(tone_colour(take))
        if not found:
            raise DiscoError("the training data names no instruments", do="add them to its metadata")
        every = np.stack([colour for colours in found.values() for colour in colours])
        mean, deviation = every.mean(0), np.maximum(every.std(0), 1e-3)
        centres = np.stack([(np.mean(colours, axis=0) - mean) / deviation for colours in found.values()])
        return Colours(tuple(found), centres, mean, deviation)

    def measure(self, made: Take, reference: Take | None) -> dict[str, float]:
        """Hear one take."""
        asked = set(made.asked.instruments)
        if not asked:
            return dict.fromkeys(self.higher_is_better, math.nan)
        heard = set(self.hear(made))
        both = len(asked & heard)
        return {"precision": both / len(heard), "recall": both / len(asked), "exact": float(asked == heard)}

    def hear(self, take: Take) -> tuple[str, ...]:
        """Return the ensemble that a take sounds like."""
        colours: Colours = self.learnt
        place = (tone_colour(take) - colours.mean) / colours.deviation
        return colours.ensembles[int(np.square(colours.centres - place).sum(1).argmin())]

    def summarise(self, rows: Sequence[dict[str, float]]) -> dict[str, float]:
        """Average over the takes."""
        return {name: average(row[name] for row in rows) for name in self.higher_is_better}


def tone_colour(take: Take) -> Float[np.ndarray, " d"]:
    """Describe the colour of a take whatever it plays: its cepstrum in audible frames, and how that moves.

    The cepstral coefficients but the first (level) smooth over single harmonics; their means, deviations
    and mean changes from frame to frame are returned, and the mean contrast of peaks and valleys.
    """
    curves = take.curves
    audible = curves.rms > curves.rms.max(initial=0.0) * 10 ** (-_AUDIBLE_DB / 20)
    audible = audible if audible.sum() > 1 else np.ones(len(audible), dtype=bool)
    cepstrum = curves.mfcc[audible, 1:].astype(np.float64)
    moves = np.abs(np.diff(cepstrum, axis=0, prepend=cepstrum[:1])).mean(0)
    contrast = curves.contrast[audible].astype(np.float64).mean(0)
    return np.concatenate([cepstrum.mean(0), cepstrum.std(0), moves, contrast])
