"""The key of a piece from its pitch classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from disco.audio.spool import let_go

MAJOR = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MINOR = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")
# How much of a piece each step above the tonic sounds: Albrecht and Shanahan, Music Perception 31 (2013).
_MAJOR_PROFILE = (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081)
_MINOR_PROFILE = (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052)
_PIECE = 4096  # frames at once, so that a long file need not be in memory
_CERTAIN = 0.2  # correlation ahead of the next key that leaves no doubt


@dataclass(frozen=True)
class Key:
    """A key.

    Attributes:
        name: `Cmaj`, `Amin` …, "" where nothing sounds.
        confidence: 0 to 1, by how far the next best key is behind.
    """

    name: str
    confidence: float


def find_key(chroma: Float[np.ndarray, "f 12"], weight: Float[np.ndarray, " f"]) -> Key:
    """Choose the key whose profile correlates best with how much each pitch class sounds.

    Args:
        chroma: pitch classes per frame, from C on; A4 is taken to be 440 Hz.
        weight: how much each frame counts, such as its level.
    """
    heard = np.zeros(12)
    for first in range(0, len(chroma), _PIECE):
        heard += weight[first : first + _PIECE] @ np.asarray(chroma[first : first + _PIECE])
        let_go(chroma)
    if not len(heard) or float(heard.std()) <= 0:
        return Key("", 0.0)
    profiles = np.array(
        [np.roll(profile, tonic) for profile in (_MAJOR_PROFILE, _MINOR_PROFILE) for tonic in range(12)]
    )
    profiles -= profiles.mean(1, keepdims=True)
    heard = heard - heard.mean()
    fit = profiles @ heard / (np.linalg.norm(profiles, axis=1) * np.linalg.norm(heard))
    order = fit.argsort()
    best = int(order[-1])
    name = f"{MAJOR[best]}maj" if best < 12 else f"{MINOR[best - 12]}min"
    return Key(name, float(np.clip((fit[best] - fit[order[-2]]) / _CERTAIN, 0.0, 1.0)))
