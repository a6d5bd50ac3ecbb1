"""What the decoder of a codec answers, whichever body it has."""

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """A wave, or magnitudes beside those of the original, one row per item and channel."""

    wave: Float[Tensor, "b c t"] | None = None
    magnitude: Float[Tensor, "rows bins f"] | None = None
    magnitude_reference: Float[Tensor, "rows bins f"] | None = None


class Decoder(nn.Module):
    """Turns latents back into sound.

    Attributes:
        offers: the fields of `Decoded` that `forward` fills in.
    """

    offers: frozenset[str]

    def forward(
        self, latent: Float[Tensor, "b d f"], counts: Bool[Tensor, "b f"], wave: Float[Tensor, "b c t"]
    ) -> Decoded:
        """Return what losses compare; `wave` is the original, of which frames in `counts` count."""
        raise NotImplementedError

    def synthesise(self, latent: Float[Tensor, "b d f"]) -> Float[Tensor, "b c t"]:
        """Return the sound, one hop of samples per frame."""
        raise NotImplementedError
