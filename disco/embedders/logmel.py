"""Tone colour and level without a network: means and deviations of log-mel bands, window by window."""

from __future__ import annotations

from functools import cache as once

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from disco.core.embedder import Embedder, windows
from disco.core.ranges import PositiveFloat, PositiveInt

FFT, HOP = 1024, 256  # samples, at the rate of the embedder


class LogMel(Embedder):
    """Points of twice as many values as bands: mean and deviation of each band's log magnitude (nats).

    Nothing was trained, so distances with it compare with nothing published; melody and rhythm hardly move
    them. It needs no weights and costs next to nothing.

    Args:
        rate: Hz at which the clips are compared.
        bands: mel bands.
        window: seconds that one point describes; windows overlap by half.
        cache: a folder that keeps points between evaluations.
    """

    def __init__(
        self, *, rate: PositiveInt, bands: PositiveInt, window: PositiveFloat, cache: str | None
    ) -> None:
        super().__init__(name="logmel", rate=rate, fingerprint=f"{bands} {window}", cache=cache)
        self.bands = bands
        self.size = max(FFT, round(window * rate))

    def hear(self, wave: Float[Tensor, " t"]) -> Float[np.ndarray, "n d"]:
        """Return mean and deviation of every band, window by window."""
        parts = windows(wave, self.size, max(1, self.size // 2))
        spectrum = torch.stft(
            parts, FFT, HOP, window=torch.hann_window(FFT), center=False, return_complex=True
        ).abs()
        level = (_filters(self.rate, self.bands) @ spectrum).clamp_min(1e-5).log().double()
        return torch.cat([level.mean(-1), level.std(-1, correction=0)], -1).float().numpy()


@once
def _filters(rate: int, bands: int) -> Float[Tensor, "bands bins"]:
    from nnAudio.librosa_functions import get_mel

    return torch.from_numpy(get_mel(rate, FFT, bands)).float()
