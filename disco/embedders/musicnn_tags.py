"""What MusiCNN calls a sound: fifty tags from `guitar` to `choral`, each from 0 to 1, every three seconds."""

from __future__ import annotations

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from disco.embedders.musicnn import MusicnnLayer


class MusicnnTags(MusicnnLayer):
    """Points are tag likelihoods, so that distributions of tags can be compared.

    Args:
        trained: the data set that it learned tags from.
        hop: seconds between windows of three seconds.
        cache: a folder that keeps points between evaluations.

    Raises:
        DiscoError: the package is missing, or its weights are not the published ones.
    """

    told: ClassVar[str] = "tags"
    suffix: ClassVar[str] = "-tags"

    def answer(self, mels: Float[Tensor, "n f bands"]) -> Float[Tensor, "n d"]:
        """Return the likelihood of every tag."""
        return self.network.tags(mels)


# The tags of MagnaTagATune in the order of the network's answers.
TAGS = (
    "guitar", "classical", "slow", "techno", "strings", "drums", "electronic", "rock", "fast", "piano",
    "ambient", "beat", "violin", "vocal", "synth", "female", "indian", "opera", "male", "singing", "vocals",
    "no vocals", "harpsichord", "loud", "quiet", "flute", "woman", "male vocal", "no vocal", "pop", "soft",
    "sitar", "solo", "man", "classic", "choir", "voice", "new age", "dance", "male voice", "female vocal",
    "beats", "harp", "cello", "no voice", "weird", "country", "metal", "female voice", "choral",
)  # fmt: skip
