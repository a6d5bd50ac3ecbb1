"""What a MusicGen needs around it to take a training step, and nothing that costs time."""

from __future__ import annotations

from torch import Tensor

from disco.core.batch import Conditions
from disco.core.contracts import Conditioner, Context


class TokensOnly:
    """The shape of a codec: tokens come from elsewhere, and sound is not asked for."""

    rate, channels, hop = 32000, 1, 640
    fingerprint = "none"

    def __init__(self, *, num_codebooks: int, cardinality: int) -> None:
        self.num_codebooks = num_codebooks
        self.cardinality = cardinality

    def encode(self, wave: Tensor) -> Tensor:
        """Refuse."""
        raise NotImplementedError

    def decode(self, codes: Tensor) -> Tensor:
        """Refuse."""
        raise NotImplementedError


class Heard(Conditioner):
    """Says the same vectors always."""

    def __init__(self, vectors: Tensor) -> None:
        super().__init__()
        self.vectors = vectors

    def forward(self, conditions: Conditions, frames: int, frame_rate: float) -> Context:
        """Return them for attention."""
        return Context(cross=self.vectors)
