"""CNN14 of PANNs, ten seconds at a time (Kong et al. 2020, arXiv 1912.10211)."""

from __future__ import annotations

from functools import cache as once
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from disco.core.embedder import Embedder, windows
from disco.core.files import file_hash
from disco.core.ranges import PositiveFloat
from disco.embedders.vggish import read_weights
from disco.errors import DiscoError
from disco.nets.cnn14 import BANDS, Cnn14

RATE, FFT, HOP = 32000, 1024, 320
LOWEST, HIGHEST = 50.0, 14000.0  # Hz
_HEARD = ("bn0.", "conv_block", "fc1.")  # the classes and the front end of the published file are left out


class Panns(Embedder):
    """Points of width 2048, at the 32 kHz of the published `Cnn14_mAP=0.431.pth`.

    Other packages feed the 16 kHz release, or one value in place of the vector: their numbers differ.

    Args:
        weights: the published weights, as `.pth` or `.safetensors`.
        window: seconds that one point describes; windows overlap by half.
        cache: a folder that keeps points between evaluations.

    Raises:
        DiscoError: no weights there, or other ones.
    """

    def __init__(self, *, weights: str, window: PositiveFloat, cache: str | None) -> None:
        path = Path(weights)
        if not path.is_file():
            raise DiscoError(
                f"embedder.weights={weights}: there is no such file",
                do="name the published weights (Cnn14_mAP=0.431.pth), or choose embedder=musicnn",
            )
        super().__init__(name="cnn14-32k", rate=RATE, fingerprint=f"{file_hash(path)} {window}", cache=cache)
        state = {n: value for n, value in read_weights(path).items() if n.startswith(_HEARD)}
        self.network = Cnn14().eval().requires_grad_(requires_grad=False)
        try:
            self.network.load_state_dict(state)
        except RuntimeError as error:
            raise DiscoError(
                f"{path} does not hold CNN14: {str(error).splitlines()[-1].strip()}",
                do="name the published weights (Cnn14_mAP=0.431.pth)",
            ) from error
        self.size = round(window * RATE)

    def hear(self, wave: Float[Tensor, " t"]) -> Float[np.ndarray, "n d"]:
        """Return 2048 values per window."""
        parts = windows(wave, self.size, max(1, self.size // 2))
        return np.concatenate([self.network(levels(part[None])).numpy() for part in parts])


def levels(wave: Float[Tensor, "b t"]) -> Float[Tensor, "b f 64"]:
    """Return mel powers in dB, as the published front end makes them."""
    spectrum = torch.stft(
        wave, FFT, HOP, window=torch.hann_window(FFT), pad_mode="reflect", return_complex=True
    )
    power = _filters() @ (spectrum.real.square() + spectrum.imag.square())
    return (10 * power.clamp_min(1e-10).log10()).mT


@once
def _filters() -> Float[Tensor, "bands bins"]:
    from nnAudio.librosa_functions import get_mel

    return torch.from_numpy(get_mel(RATE, FFT, BANDS, fmin=LOWEST, fmax=HIGHEST)).float()
