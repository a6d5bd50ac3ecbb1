"""A mono codec made stereo: both channels by themselves, their codebooks in turn."""

import hashlib

import torch
from jaxtyping import Float, Int
from torch import Tensor

from disco.core.contracts import Codec
from disco.errors import DiscoError


class Stereo:
    """Left and right codebooks interleaved, coarse to fine: L1 R1 L2 R2 … (MusicGen stereo).

    Args:
        inner: the mono codec.

    Attributes:
        delays: of the codebooks in a delay pattern; left and right advance together.

    Raises:
        DiscoError: the inner codec is not mono.
    """

    def __init__(self, *, inner: Codec) -> None:
        if inner.channels != 1:
            raise DiscoError(
                f"codec=stereo takes a mono codec, and {type(inner).__name__} has {inner.channels} channels",
                do="name a mono codec inside, or use this one by itself",
            )
        self.inner = inner
        self.rate = inner.rate
        self.hop = inner.hop
        self.channels = 2
        self.num_codebooks = 2 * inner.num_codebooks
        self.cardinality = inner.cardinality
        self.delays = tuple(place // 2 for place in range(self.num_codebooks))
        self.fingerprint = hashlib.sha256(f"stereo {inner.fingerprint}".encode()).hexdigest()

    def encode(self, wave: Float[Tensor, "b 2 t"]) -> Int[Tensor, "b k f"]:
        """Return `ceil(t / hop)` frames of tokens."""
        sides = [self.inner.encode(wave[:, side : side + 1]) for side in (0, 1)]
        return torch.stack(sides, 2).flatten(1, 2)

    def decode(self, codes: Int[Tensor, "b k f"]) -> Float[Tensor, "b 2 t"]:
        """Return `f * hop` samples."""
        return torch.cat([self.inner.decode(codes[:, side::2]) for side in (0, 1)], 1)
