"""Is it in the right key?"""

import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from disco.audio import keys
from disco.core.metric import Averaged, Take
from disco.metrics.hearing import chroma_of
from disco.metrics.tonality import Key, find_key, mirex_score, parse_key, pitch_classes


class KeyAgreement(Averaged):
    """The key of the notes, against the one that was asked for, mean over takes.

    Without an asked key the reference's is taken: its known one, else the key of its notes. The notes of a
    take without a score are those that a transcriber hears.

    * `mirex`: 1 for the right key, 0.5 a fifth above, 0.3 relative, 0.2 parallel (`mir_eval.key`).
    * `correct`: share of takes in the right key.
    * `clarity`: how far the next best key is behind, 0 to 1.
    """

    needs = frozenset({"made", "reference"})
    deaf: ClassVar[Mapping[str, str]] = {
        "noise": "the key is heard through noise as loud as the music",
        "jitter": "it sums over the take, whatever comes when",
        "shuffle": "it sums over the take, whatever comes when",
    }
    higher_is_better: ClassVar[Mapping[str, bool | None]] = {"mirex": True, "correct": True, "clarity": None}

    def __init__(self) -> None:
        super().__init__()

    def measure(self, made: Take, reference: Take | None) -> dict[str, float]:
        """Find the key of one take and compare it."""
        profile = sounding_classes(made)
        heard, wanted = find_key(profile), wanted_key(made, reference)
        score = math.nan if wanted is None else mirex_score(wanted, heard)
        return {
            "mirex": score,
            "correct": math.nan if wanted is None else float(score == 1.0),
            "clarity": 0.0 if heard is None else keys.find_key(profile[None], np.ones(1)).confidence,
        }


def wanted_key(made: Take, reference: Take | None) -> Key | None:
    """Return the key a take should have: asked for, else known of the reference, else that of its notes."""
    for take in (made, reference):
        if take is not None and take.asked.key is not None:
            return parse_key(take.asked.key)
    return None if reference is None else find_key(sounding_classes(reference))


def sounding_classes(take: Take) -> Float[np.ndarray, " 12"]:
    """Return how much each pitch class sounds: of the notes, else of the sound where no note is heard."""
    profile = pitch_classes(take.written)
    if profile.any() or take.clip is None:
        return profile
    return chroma_of(take).sum(0).astype(np.float64)
