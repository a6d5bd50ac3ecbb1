"""A codec that one's own run trained."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from disco.core.ranges import PositiveInt


@runtime_checkable
class WaveTokens(Protocol):
    """What a trained autoencoder can do."""

    rate: int
    channels: int
    hop: int
    num_codebooks: int
    cardinality: int

    def encode(self, wave: Float[Tensor, "b c t"]) -> Int[Tensor, "b k f"]:
        """Return `ceil(t / hop)` frames of tokens."""
        ...

    def decode(self, codes: Int[Tensor, "b k f"]) -> Float[Tensor, "b c t"]:
        """Return `f * hop` samples."""
        ...

    def network_state(self) -> Mapping[str, Tensor]:
        """Return the weights."""
        ...

    def eval(self) -> Any:
        """Stop dropout and the like."""
        ...

    def requires_grad_(self, *, requires_grad: bool) -> Any:
        """Freeze or thaw the weights."""
        ...

    def to(self, *where: Any) -> Any:
        """Move the weights."""
        ...


class RunCodec:
    """Tokens of a trained autoencoder; its weights stay as they are.

    Args:
        run: the folder of the run that trained it; `disco.apps` opens it.
        batch_size: clips that go through the network together; each is heard by itself all the same.
        autoencoder: the run's model.
    """

    def __init__(self, *, run: str, batch_size: PositiveInt, autoencoder: WaveTokens) -> None:
        self.run = run
        self.batch_size = batch_size
        self.autoencoder = autoencoder.eval().requires_grad_(requires_grad=False)
        self.rate = autoencoder.rate
        self.channels = autoencoder.channels
        self.hop = autoencoder.hop
        self.num_codebooks = autoencoder.num_codebooks
        self.cardinality = autoencoder.cardinality
        self.fingerprint = _hash(autoencoder)

    def encode(self, wave: Float[Tensor, "b c t"]) -> Int[Tensor, "b k f"]:
        """Return `ceil(t / hop)` frames of tokens."""
        return self._batched(self.autoencoder.encode, wave.float())

    def decode(self, codes: Int[Tensor, "b k f"]) -> Float[Tensor, "b c t"]:
        """Return `f * hop` samples."""
        return self._batched(self.autoencoder.decode, codes)

    @torch.no_grad()
    def _batched(self, way: Callable[[Tensor], Tensor], items: Tensor) -> Tensor:
        self.autoencoder.to(items.device)
        # The same sound gives the same tokens, whatever precision a model around this trains in.
        with torch.autocast(items.device.type, enabled=False):
            return torch.cat([way(part) for part in items.split(self.batch_size)])


def _hash(autoencoder: WaveTokens) -> str:
    """Return a SHA-256 over names, shapes and values of the weights, and the frame."""
    digest = hashlib.sha256(f"{autoencoder.rate} {autoencoder.channels} {autoencoder.hop}".encode())
    for name, value in sorted(autoencoder.network_state().items()):
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
