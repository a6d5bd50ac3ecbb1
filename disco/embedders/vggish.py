"""VGGish's view of sound, 0.96 s at a time (Hershey et al. 2017, arXiv 1609.09430)."""

from __future__ import annotations

from functools import cache as once
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from disco.core.embedder import Embedder, at_least
from disco.core.files import file_hash
from disco.core.tensors import load_tensors
from disco.errors import DiscoError
from disco.nets.vggish import BANDS, FRAMES, Vggish

RATE, FFT, SIZE, HOP = 16000, 512, 400, 160  # a window of 25 ms every 10 ms
LOWEST, HIGHEST = 125.0, 7500.0  # Hz


class VggishLayer(Embedder):
    """Points of width 128, without the last rectifier and without PCA.

    Google's own pipeline keeps the rectifier, adds PCA and eight bits, and measures 2 to 5 % off: that is
    why the numbers are called `fad/vggish-linear`.

    Args:
        weights: the published PyTorch weights, as `.safetensors` or `.pth`; pickled code is refused.
        cache: a folder that keeps points between evaluations.

    Raises:
        DiscoError: no weights there, or other ones.
    """

    def __init__(self, *, weights: str, cache: str | None) -> None:
        path = Path(weights)
        if not path.is_file():
            raise DiscoError(
                f"embedder.weights={weights}: there is no such file",
                do="name the published weights (vggish-10086976.pth), or choose embedder=musicnn",
            )
        super().__init__(name="vggish-linear", rate=RATE, fingerprint=file_hash(path), cache=cache)
        self.network = Vggish().eval().requires_grad_(requires_grad=False)
        try:
            self.network.load_state_dict(read_weights(path))
        except RuntimeError as error:
            raise DiscoError(
                f"{path} does not hold VGGish: {str(error).splitlines()[-1].strip()}",
                do="name the published weights (vggish-10086976.pth)",
            ) from error

    def hear(self, wave: Float[Tensor, " t"]) -> Float[np.ndarray, "n d"]:
        """Return 128 values per 0.96 s."""
        return np.concatenate([self.network(part).numpy() for part in patches(wave).split(32)])


def patches(wave: Float[Tensor, " t"]) -> Float[Tensor, "n 96 64"]:
    """Return the log-mel patches that the network was trained on; a shorter wave is repeated."""
    whole = at_least(wave, SIZE + (FRAMES - 1) * HOP)
    frames = whole.unfold(0, SIZE, HOP) * torch.hann_window(SIZE)
    mel = torch.fft.rfft(frames, FFT).abs() @ _filters().T
    level = torch.log(mel + 0.01)
    return level[: len(level) // FRAMES * FRAMES].unflatten(0, (-1, FRAMES))


@once
def _filters() -> Float[Tensor, "bands bins"]:
    """Triangles on the HTK mel scale, linear in mel, without area scaling, as the published front end has."""
    edges = torch.linspace(_mel(LOWEST), _mel(HIGHEST), BANDS + 2, dtype=torch.float64)
    bins = 1127.0 * torch.log1p(torch.arange(FFT // 2 + 1, dtype=torch.float64) * RATE / FFT / 700.0)
    lower, centre, upper = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (bins - lower) / (centre - lower), (upper - bins) / (upper - centre)
    filters = torch.minimum(rising, falling).clamp_min(0)
    filters[:, 0] = 0  # the constant part is never heard
    return filters.float()


def _mel(hertz: float) -> float:
    return 1127.0 * float(np.log1p(hertz / 700.0))


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read tensors from `.safetensors`, or from a `.pth` in which nothing runs.

    Raises:
        DiscoError: the file holds more than tensors.
    """
    if path.suffix == ".safetensors":
        return load_tensors(path)
    from pickle import UnpicklingError

    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError) as error:
        raise DiscoError(
            f"{path} is not a file of weights ({str(error).splitlines()[0]})", do="convert it to safetensors"
        ) from error
    return found.get("model", found)
