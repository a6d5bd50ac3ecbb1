"""The latents of a codec that one's own run trained: what it thinks worth keeping of a sound."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from disco.core.embedder import Embedder, at_least
from disco.core.ranges import PositiveFloat


@runtime_checkable
class Encoding(Protocol):
    """What a trained autoencoder brings: its frame, its encoder, its weights."""

    rate: int
    channels: int
    hop: int
    encoder: Any

    def network_state(self) -> Mapping[str, Tensor]:
        """Return the weights."""
        ...

    def eval(self) -> Any:
        """Stop dropout and the like."""
        ...


class CodecLatents(Embedder):
    """Points are means of the encoder's latents over a window, before they are quantised.

    Each codec is a ruler of its own: the name of the numbers carries the first letters of its weights' hash.

    Args:
        autoencoder: a trained one.
        window: seconds that one point describes; windows do not overlap.
        cache: a folder that keeps points between evaluations.
    """

    def __init__(self, *, autoencoder: Encoding, window: PositiveFloat, cache: str | None) -> None:
        weights = hashed(autoencoder.network_state())
        super().__init__(
            name=f"codec-{weights[:8]}", rate=autoencoder.rate, fingerprint=f"{weights} {window}", cache=cache
        )
        self.autoencoder = autoencoder.eval()
        self.frames = max(1, round(window * autoencoder.rate / autoencoder.hop))

    def hear(self, wave: Float[Tensor, " t"]) -> Float[np.ndarray, "n d"]:
        """Return the mean latent of every window."""
        hop = self.autoencoder.hop
        whole = at_least(wave, self.frames * hop)
        whole = whole[: len(whole) // hop * hop].expand(1, self.autoencoder.channels, -1)
        counts: Bool[Tensor, "1 f"] = torch.ones(1, whole.shape[-1] // hop, dtype=torch.bool)
        return pooled(self.autoencoder.encoder(whole, counts), self.frames)


def pooled(latents: Float[Tensor, "1 d f"], frames: int) -> Float[np.ndarray, "n d"]:
    """Average over windows of so many frames; a rest at the end is left out."""
    return latents[0].unfold(1, frames, frames).mean(-1).mT.float().numpy()


def hashed(state: Mapping[str, Tensor]) -> str:
    """Return a SHA-256 over names, shapes and values of weights."""
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
