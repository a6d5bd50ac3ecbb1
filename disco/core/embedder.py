"""What turns a clip into points in a space of sounds; a distance between sets of clips names its embedder."""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor

from disco.audio.clip import Clip
from disco.core.tensors import load_tensors, save_tensors
from disco.errors import DiscoError

_KEPT = 2048  # clips whose points stay in memory: several metrics ask for the same ones
_memory: OrderedDict[str, np.ndarray] = OrderedDict()


class Embedder(ABC):
    """Hears windows of sound and gives each a point; the same sound gives the same points.

    Args:
        name: stands in the name of every number that is measured with it (`fad/<name>`); small letters,
            digits, hyphens and dots.
        rate: Hz at which it hears.
        fingerprint: changes with the weights and with every setting that moves a point.
        cache: a folder that keeps points between evaluations; None keeps them in memory only.

    Raises:
        ValueError: the name has other letters.
    """

    def __init__(self, *, name: str, rate: int, fingerprint: str, cache: str | None) -> None:
        if not re.fullmatch(r"[a-z0-9.-]+", name):
            raise ValueError(f"'{name}' cannot name a measure: small letters, digits, hyphens and dots can")
        self.name = name
        self.rate = rate
        self.fingerprint = hashlib.sha256(f"{name} {rate} {fingerprint}".encode()).hexdigest()
        self.cache = None if cache is None else Path(cache)

    @abstractmethod
    def hear(self, wave: Float[Tensor, " t"]) -> Float[np.ndarray, "n d"]:
        """Return one point per window of a mono wave at `rate`; a wave shorter than a window has one."""

    def embed(self, clip: Clip) -> Float[np.ndarray, "n d"]:
        """Return one point per window, in single precision; they are found again by what the clip holds.

        Raises:
            DiscoError: the clip is empty, a point is not finite, or what was kept cannot be read.
        """
        key = content(clip)
        known = f"{self.fingerprint} {key}"
        if known not in _memory:
            _memory[known] = self._from_cache(clip, key)
            while len(_memory) > _KEPT:
                _memory.popitem(last=False)
        return _memory[known]

    def _from_cache(self, clip: Clip, key: str) -> Float[np.ndarray, "n d"]:
        if self.cache is None:
            return self._heard(clip)
        path = self.cache / f"{self.name}-{self.fingerprint[:12]}" / key[:2] / f"{key}.safetensors"
        if not path.is_file():
            points = self._heard(clip)
            save_tensors(path, {"points": torch.from_numpy(points)}, {"fingerprint": self.fingerprint})
            return points
        try:
            return load_tensors(path)["points"].numpy()
        except (SafetensorError, KeyError) as error:
            raise DiscoError(f"{path} cannot be read: {error}", do="remove it; it is made anew") from error

    def _heard(self, clip: Clip) -> Float[np.ndarray, "n d"]:
        if not clip.wave.shape[1]:
            raise DiscoError(f"{self.name} was given a clip without a sample", do="leave it out")
        wave = clip.mono().resampled(self.rate).wave[0].detach().cpu().float()
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            points = self.hear(wave).astype(np.float32)
        if not np.isfinite(points).all():
            raise DiscoError(
                f"{self.name} made values that are not finite of a clip of {clip.seconds:.2f} s",
                do="look for samples that are not finite in the audio",
            )
        return points


def content(clip: Clip) -> str:
    """Return a SHA-256 over a clip's samples, channels and rate."""
    wave = clip.wave.detach().cpu().float().contiguous().numpy()
    return hashlib.sha256(f"{clip.rate} {wave.shape}".encode() + wave.tobytes()).hexdigest()


def windows(wave: Float[Tensor, " t"], size: int, hop: int) -> Float[Tensor, "n size"]:
    """Cut a wave into windows; one that is shorter is repeated until it fills the first.

    What is left over behind the last whole window is not heard.
    """
    return at_least(wave, size).unfold(0, size, hop)


def at_least(wave: Float[Tensor, " t"], size: int) -> Float[Tensor, " u"]:
    """Repeat a wave until it has `size` samples."""
    return wave if len(wave) >= size else wave.repeat(-(-size // len(wave)))[:size]
