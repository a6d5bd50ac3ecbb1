"""What MusiCNN calls a sound: fifty tags from `guitar` to `choral`, each from 0 to 1, every three seconds."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from torch import Tensor

from disco.core.embedder import Embedder
from disco.core.ranges import PositiveFloat
from disco.embedders.musicnn import HOP, RATE, SHA256, Trained, load_network, log_mels


class MusicnnTags(Embedder):
    """Points are tag likelihoods, so that distributions of tags can be compared.

    Args:
        trained: the data set that it learned tags from.
        hop: seconds between windows of three seconds.
        cache: a folder that keeps points between evaluations.

    Raises:
        DiscoError: the package is missing, or its weights are not the published ones.
    """

    def __init__(self, *, trained: Trained, hop: PositiveFloat, cache: str | None) -> None:
        super().__init__(
            name="musicnn-tags" if trained == "mtt" else f"musicnn-{trained}-tags",
            rate=RATE,
            fingerprint=f"{SHA256[trained]} tags {hop}",
            cache=cache,
        )
        self.network = load_network(trained)
        self.hop = max(1, round(hop * RATE / HOP))

    def hear(self, wave: Float[Tensor, " t"]) -> Float[np.ndarray, "n d"]:
        """Return the likelihood of every tag, window by window."""
        parts = log_mels(wave, self.hop).split(16)
        return np.concatenate([self.network.tags(part).numpy() for part in parts])


# The tags of MagnaTagATune in the order of the network's answers.
TAGS = (
    "guitar", "classical", "slow", "techno", "strings", "drums", "electronic", "rock", "fast", "piano",
    "ambient", "beat", "violin", "vocal", "synth", "female", "indian", "opera", "male", "singing", "vocals",
    "no vocals", "harpsichord", "loud", "quiet", "flute", "woman", "male vocal", "no vocal", "pop", "soft",
    "sitar", "solo", "man", "classic", "choir", "voice", "new age", "dance", "male voice", "female vocal",
    "beats", "harp", "cello", "no voice", "weird", "country", "metal", "female voice", "choral",
)  # fmt: skip
