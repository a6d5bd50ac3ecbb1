"""How a window's energy is spread over frequency: shares that sum to 1."""

from __future__ import annotations

from functools import cache as once

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from disco.core.embedder import Embedder, windows
from disco.core.ranges import PositiveFloat, PositiveInt

FFT, HOP = 2048, 512  # samples, at the rate of the embedder
QUIETEST = 1e-10  # power per band; silence is spread evenly


class Bands(Embedder):
    """Points are the share of a window's energy in each mel band.

    Args:
        rate: Hz at which the clips are compared.
        bands: mel bands.
        window: seconds that one point describes; windows do not overlap.
        cache: a folder that keeps points between evaluations.
    """

    def __init__(
        self, *, rate: PositiveInt, bands: PositiveInt, window: PositiveFloat, cache: str | None
    ) -> None:
        super().__init__(name=f"bands-{bands}", rate=rate, fingerprint=f"{window}", cache=cache)
        self.bands = bands
        self.size = max(FFT, round(window * rate))

    def hear(self, wave: Float[Tensor, " t"]) -> Float[np.ndarray, "n d"]:
        """Return the shares, window by window."""
        parts = windows(wave, self.size, self.size)
        spectrum = torch.stft(
            parts, FFT, HOP, window=torch.hann_window(FFT), center=False, return_complex=True
        )
        power = spectrum.real.double().square() + spectrum.imag.double().square()
        energy = (_filters(self.rate, self.bands) @ power).mean(-1) + QUIETEST
        return (energy / energy.sum(-1, keepdim=True)).float().numpy()


@once
def _filters(rate: int, bands: int) -> Float[Tensor, "bands bins"]:
    """Mel bands without area scaling: each counts the whole energy between its edges."""
    from nnAudio.librosa_functions import get_mel

    scaled = torch.from_numpy(get_mel(rate, FFT, bands)).double()
    return scaled / scaled.amax(1, keepdim=True).clamp_min(1e-12)
