"""How many of the written notes can still be heard: the musical worth of a codec or a rendering."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from disco.core.metric import Metric, Take
from disco.core.ranges import PositiveFloat
from disco.errors import DiscoError
from disco.midi.compare import onset_agreement


@dataclass(frozen=True)
class Scores:
    """F1 of one take and of its original."""

    made: float
    original: float


class OnsetF1(Metric):
    """Onset F1 of the transcribed take against the written notes of its reference, mean over takes.

    A note counts when its pitch is right and its onset within `tolerance`; offsets do not matter
    (`mir_eval.transcription`). `ratio` divides by the F1 of the transcribed original, which is what
    the transcriber itself can reach: 1 means that nothing got lost. It is NaN where the originals
    have no sound or are not understood at all.

    Args:
        tolerance: seconds between a written and a heard onset.
    """

    needs = frozenset({"made", "reference"})
    deaf: ClassVar[Mapping[str, str]] = {
        "noise": "onsets are heard through noise as loud as the music",
    }
    higher_is_better: ClassVar[Mapping[str, bool | None]] = {"f1": True, "original_f1": True, "ratio": True}

    def __init__(self, *, tolerance: PositiveFloat) -> None:
        super().__init__()
        self.tolerance = tolerance

    def measure(self, made: Take, reference: Take | None) -> Scores:
        """Transcribe the take and its original, and compare both with the score.

        Raises:
            DiscoError: the reference has no written notes.
        """
        if reference is None or reference.notes is None:
            raise DiscoError(
                "onset_f1 compares with written notes, and a reference has none", do="give its score"
            )
        heard = onset_agreement(reference.notes, made.heard, tolerance=self.tolerance).f1
        if reference.clip is None:
            return Scores(heard, math.nan)
        return Scores(heard, onset_agreement(reference.notes, reference.heard, tolerance=self.tolerance).f1)

    def summarise(self, rows: Sequence[Scores]) -> dict[str, float]:
        """Average over takes; the ratio is that of the averages."""
        made = math.fsum(row.made for row in rows) / len(rows)
        original = math.fsum(row.original for row in rows) / len(rows)
        return {"f1": made, "original_f1": original, "ratio": made / original if original else math.nan}
