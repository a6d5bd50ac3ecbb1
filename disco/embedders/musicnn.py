"""MusiCNN's view of music: the layer before its tags, three seconds at a time (Pons, Serra 2019).

The weights (ISC licence) are read from the installed package `musicnn`, whose code, which wants TensorFlow,
is never run. Its own extractor rounds the mel powers to half precision, where loud music overflows; here they
stay in single precision, which moves tags by less than 1e-2 where nothing overflows.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from functools import cache as once
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from disco.core.embedder import Embedder, at_least
from disco.core.files import file_hash
from disco.core.ranges import PositiveFloat
from disco.embedders.tensor_bundle import read_bundle
from disco.errors import DiscoError
from disco.nets.musicnn import BANDS, Musicnn

RATE, FFT, HOP = 16000, 512, 256
SECONDS, FRAMES = 3.0, 187  # of a window, as it was trained
TOGETHER = 16  # windows that go through the network at once
KEPT = 64  # waves whose layers stay in memory: the tags of a wave are asked for soon after its layer
PACKAGE = "musicnn"
INSTALL = f"pip install --no-deps {PACKAGE}==0.1.0"
_shared: OrderedDict[str, Tensor] = OrderedDict()
Trained = Literal["mtt", "msd"]  # MagnaTagATune, the Million Song Dataset
SHA256: Mapping[Trained, str] = {  # of the published weights
    "mtt": "041f3935e981a65cea739842d30c188d3a7d2adf4410955c8668eb3de4a5acab",
    "msd": "8579734ee6388f799ed0def4bbd0d1fdcbeaf213ef2a9dc860917bd76a303de6",
}


class MusicnnLayer(Embedder):
    """Points of width 200.

    Args:
        trained: the data set that it learned tags from; the two are different rulers, with different names.
        hop: seconds between windows of three seconds.
        cache: a folder that keeps points between evaluations.

    Raises:
        DiscoError: the package is missing, or its weights are not the published ones.
    """

    told: ClassVar[str] = "penultimate"
    suffix: ClassVar[str] = ""

    def __init__(self, *, trained: Trained, hop: PositiveFloat, cache: str | None) -> None:
        super().__init__(
            name=("musicnn" if trained == "mtt" else f"musicnn-{trained}") + self.suffix,
            rate=RATE,
            fingerprint=f"{SHA256[trained]} {self.told} {hop}",
            cache=cache,
        )
        load_network(trained)  # so that what is missing is told before anything is heard
        self.trained: Trained = trained
        self.hop = max(1, round(hop * RATE / HOP))

    def hear(self, wave: Float[Tensor, " t"]) -> Float[np.ndarray, "n d"]:
        """Return what the network tells, window by window."""
        return self.answer(layers(wave, self.trained, self.hop)).numpy()

    def answer(self, layer: Float[Tensor, "n 200"]) -> Float[Tensor, "n d"]:
        """Return the layer before the tags."""
        return layer


def layers(wave: Float[Tensor, " t"], trained: Trained, hop: int) -> Float[Tensor, "n 200"]:
    """Return the layer before the tags of every window; embedders that ask for the same share it."""
    key = f"{trained} {hop} {hashlib.sha256(wave.numpy().tobytes()).hexdigest()}"
    if key not in _shared:
        mel, network = log_mel(wave), load_network(trained)
        starts = range(0, len(mel) - FRAMES + 1, hop)
        blocks = [starts[first : first + TOGETHER] for first in range(0, len(starts), TOGETHER)]
        _shared[key] = torch.cat(
            [network.slide(mel[block[0] : block[-1] + FRAMES], FRAMES, hop) for block in blocks]
        )
        while len(_shared) > KEPT:
            _shared.popitem(last=False)
    return _shared[key]


def log_mels(wave: Float[Tensor, " t"], hop: int) -> Float[Tensor, "n f bands"]:
    """Return the log-mel windows that the network was trained on, one every `hop` frames."""
    return log_mel(wave).unfold(0, FRAMES, hop).mT


def log_mel(wave: Float[Tensor, " t"]) -> Float[Tensor, "f bands"]:
    """Return the log-mel frames that the network was trained on.

    A wave that is shorter than a window is repeated, as in its training.
    """
    spectrum = torch.stft(
        at_least(wave, round(SECONDS * RATE)), FFT, HOP, window=torch.hann_window(FFT), pad_mode="constant",
        return_complex=True,
    )  # fmt: skip
    power = spectrum.real.square() + spectrum.imag.square()
    return torch.log10(10000 * (_filters() @ power) + 1).T


@once
def _filters() -> Float[Tensor, "bands bins"]:
    from nnAudio.librosa_functions import get_mel

    return torch.from_numpy(get_mel(RATE, FFT, BANDS)).float()


@once
def load_network(trained: Trained) -> Musicnn:
    """Build the network with the published weights, once per process.

    Raises:
        DiscoError: the package is missing, or its weights are not the published ones.
    """
    folder = find_folder() / f"{trained.upper()}_musicnn"
    data = folder / ".data-00000-of-00001"
    if not data.is_file() or file_hash(data) != SHA256[trained]:
        raise DiscoError(f"{data} is not the published MusiCNN", do=f"{INSTALL} --force-reinstall")
    tensors = read_bundle(folder / ".index", data)
    network = Musicnn(tags=tensors["dense_1/bias"].shape[0])
    network.load_state_dict(from_tensorflow(tensors), strict=True)
    return network.eval().requires_grad_(requires_grad=False)


def find_folder() -> Path:
    """Return the folder of the installed package, without importing it."""
    try:
        return Path(str(distribution(PACKAGE).locate_file(PACKAGE)))
    except PackageNotFoundError as error:
        raise DiscoError(f"this embedder needs the weights in the package {PACKAGE}", do=INSTALL) from error


def from_tensorflow(tensors: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """Rename and turn TensorFlow's tensors; layers are numbered there as they were made."""
    convs = [*(f"front.{i}" for i in range(5)), *(f"middle.{i}" for i in range(3))]
    norms = [
        "input_norm",
        *(f"front_norms.{i}" for i in range(5)),
        *(f"middle_norms.{i}" for i in range(3)),
        "pooled_norm",
        "dense_norm",
    ]
    state: dict[str, np.ndarray] = {}
    for index, ours in enumerate(convs):
        theirs = "conv2d" + (f"_{index}" if index else "")
        kernel = tensors[f"{theirs}/kernel"].transpose(
            3, 2, 0, 1
        )  # [time, band, in, out] → [out, in, time, band]
        state[f"{ours}.weight"] = kernel if ours.startswith("front") else kernel[:, 0].transpose(0, 2, 1)
        state[f"{ours}.bias"] = tensors[f"{theirs}/bias"]
    names = {
        "weight": "gamma",
        "bias": "beta",
        "running_mean": "moving_mean",
        "running_var": "moving_variance",
    }
    for index, ours in enumerate(norms):
        theirs = "batch_normalization" + (f"_{index}" if index else "")
        state |= {f"{ours}.{mine}": tensors[f"{theirs}/{name}"] for mine, name in names.items()}
        state[f"{ours}.num_batches_tracked"] = np.zeros((), np.int64)
    for theirs, ours in (("dense", "dense"), ("dense_1", "tagging")):
        state[f"{ours}.weight"], state[f"{ours}.bias"] = (
            tensors[f"{theirs}/kernel"].T,
            tensors[f"{theirs}/bias"],
        )
    return {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in state.items()}
