"""What MusiCNN calls a sound: fifty tags from `guitar` to `choral`, each from 0 to 1, every three seconds."""

from __future__ import annotations

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from disco.core.ranges import PositiveFloat
from disco.embedders.musicnn import MusicnnLayer, Trained, load_network


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

    def __init__(self, *, trained: Trained, hop: PositiveFloat, cache: str | None) -> None:
        super().__init__(trained=trained, hop=hop, cache=cache)
        self.labels = TAGS if trained == "mtt" else MILLION_SONG_TAGS  # what the points stand for, in order

    def answer(self, layer: Float[Tensor, "n 200"]) -> Float[Tensor, "n tags"]:
        """Return the likelihood of every tag."""
        return load_network(self.trained).likelihood(layer)


# The tags of MagnaTagATune in the order of the network's answers.
TAGS = (
    "guitar", "classical", "slow", "techno", "strings", "drums", "electronic", "rock", "fast", "piano",
    "ambient", "beat", "violin", "vocal", "synth", "female", "indian", "opera", "male", "singing", "vocals",
    "no vocals", "harpsichord", "loud", "quiet", "flute", "woman", "male vocal", "no vocal", "pop", "soft",
    "sitar", "solo", "man", "classic", "choir", "voice", "new age", "dance", "male voice", "female vocal",
    "beats", "harp", "cello", "no voice", "weird", "country", "metal", "female voice", "choral",
)  # fmt: skip

# Those of the Million Song Dataset.
MILLION_SONG_TAGS = (
    "rock", "pop", "alternative", "indie", "electronic", "female vocalists", "dance", "00s",
    "alternative rock", "jazz", "beautiful", "metal", "chillout", "male vocalists", "classic rock", "soul",
    "indie rock", "mellow", "electronica", "80s", "folk", "90s", "chill", "instrumental", "punk", "oldies",
    "blues", "hard rock", "ambient", "acoustic", "experimental", "female vocalist", "guitar", "hip-hop",
    "70s", "party", "country", "easy listening", "sexy", "catchy", "funk", "electro", "heavy metal",
    "progressive rock", "60s", "rnb", "indie pop", "sad", "house", "happy",
)  # fmt: skip
