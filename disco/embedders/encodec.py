"""EnCodec's latents, as other evaluations of music use them (Gui et al. 2024, arXiv 2311.01616)."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from disco.core.embedder import Embedder, at_least
from disco.core.ranges import PositiveFloat
from disco.embedders.latents import hashed, pooled
from disco.errors import DiscoError


class EncodecLatents(Embedder):
    """Points are means of the encoder's latents over a window, before they are quantised.

    Some published numbers take every frame of latents for a point, and one package took the wrong axis: set
    `window` to a frame (0.0133 at 24 kHz) to compare with the former; the latter compares with nothing.

    Args:
        path: a folder with `config.json` and `model.safetensors`, or a name on the Hugging Face hub.
        window: seconds that one point describes; windows do not overlap.
        cache: a folder that keeps points between evaluations.

    Raises:
        DiscoError: no weights there.
    """

    def __init__(self, *, path: str, window: PositiveFloat, cache: str | None) -> None:
        from transformers import EncodecModel  # two seconds

        try:
            self.model: Any = (
                EncodecModel.from_pretrained(path, use_safetensors=True)
                .requires_grad_(requires_grad=False)
                .eval()
            )
        except (OSError, ValueError) as error:
            raise DiscoError(
                f"embedder.path={path}: no EnCodec weights there ({str(error).splitlines()[0]})",
                do="name a folder with config.json and model.safetensors, or choose embedder=musicnn",
            ) from error
        config = self.model.config
        weights = hashed(self.model.state_dict())
        super().__init__(
            name=f"encodec-{config.sampling_rate // 1000}k",
            rate=config.sampling_rate,
            fingerprint=f"{weights} {window}",
            cache=cache,
        )
        self.hop: int = config.hop_length
        self.frames = max(1, round(window * self.rate / self.hop))

    def hear(self, wave: Float[Tensor, " t"]) -> Float[np.ndarray, "n d"]:
        """Return the mean latent of every window."""
        whole = at_least(wave, self.frames * self.hop)
        whole = whole[: len(whole) // self.hop * self.hop].expand(1, self.model.config.audio_channels, -1)
        return pooled(self.model.encoder(whole), self.frames)
