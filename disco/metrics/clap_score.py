"""Does it sound like its caption, as a network hears that learnt sound and text together?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from disco.audio.clip import Clip
from disco.core.metric import Averaged, Take


@runtime_checkable
class SharedSpace(Protocol):
    """Gives sounds and sentences points in one space."""

    name: str

    def embed(self, clip: Clip) -> Float[np.ndarray, "n d"]:
        """Return one point per window."""
        ...

    def read(self, caption: str) -> Float[np.ndarray, " d"]:
        """Return the point of a sentence."""
        ...


class ClapScore(Averaged):
    """Cosine of a take's sound, as the mean of its windows, and its caption, mean over takes, -1 to 1.

    `clap_score/<embedder>`: each release of CLAP is a ruler of its own, and compares only with figures that
    were measured with the same one. Takes without a caption do not count.

    Args:
        embedder: hears and reads: `embedder=clap`.
    """

    needs = frozenset({"made"})

    def __init__(self, *, embedder: SharedSpace) -> None:
        super().__init__()
        self.embedder = embedder

    @property
    def higher_is_better(self) -> Mapping[str, bool | None]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The one value, by the name of its embedder."""
        return {self.embedder.name: True}

    def measure(self, made: Take, reference: Take | None) -> dict[str, float]:
        """Compare one take with its caption."""
        caption = made.asked.caption
        if caption is None or not caption.strip():
            return {self.embedder.name: math.nan}
        sound = self.embedder.embed(made.sound).astype(np.float64).mean(0)
        text = self.embedder.read(caption).astype(np.float64)
        return {self.embedder.name: float(sound @ text / (np.linalg.norm(sound) * np.linalg.norm(text)))}
