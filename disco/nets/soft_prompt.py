"""Vectors before what a frozen text encoder says: learned ones, or a learned mixture of given ones."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class Prompt(nn.Module, ABC):
    """Puts the same vectors before every caption, also before those that say nothing.

    Args:
        inner: another prompt, which stands behind this one.

    Attributes:
        strength: 0 is as if it was not there, 1 as learnt.
    """

    def __init__(self, *, inner: Prompt | None) -> None:
        super().__init__()
        self.inner = inner
        self.strength = 1.0

    @abstractmethod
    def spoken(self) -> Float[Tensor, "n e"]:
        """Return the vectors."""

    def forward(
        self, said: Float[Tensor, "b m e"], mask: Bool[Tensor, "b m"]
    ) -> tuple[Float[Tensor, "b n e"], Bool[Tensor, "b n"]]:
        """Return the longer captions and which vectors count; at strength 0 these do not."""
        if self.inner is not None:
            said, mask = self.inner(said, mask)
        vectors = (self.strength * self.spoken()).expand(len(said), -1, -1)
        counts = mask.new_full(vectors.shape[:2], self.strength > 0)
        return torch.cat([vectors, said], 1), torch.cat([counts, mask], 1)


class SoftPrompt(Prompt):
    """Learned vectors.

    Args:
        start: the vectors that training begins with.
        inner: another prompt, which stands behind this one.
    """

    def __init__(self, *, start: Float[Tensor, "n e"], inner: Prompt | None) -> None:
        super().__init__(inner=inner)
        self.vectors = nn.Parameter(start.clone())

    def spoken(self) -> Float[Tensor, "n e"]:
        """Return the vectors."""
        return self.vectors


class PromptBank(Prompt):
    """The mean of what the encoder says to given prompts, each by a learned share.

    The shares are the softmax of one number per prompt, which is all that is learned and saved. Places at
    which a prompt has ended belong to the others alone.

    Args:
        bank: what the encoder says to each prompt, padded to the longest; here: where each says something.
        inner: another prompt, which stands behind this one.
    """

    bank: Tensor
    here: Tensor

    def __init__(
        self, *, bank: Float[Tensor, "w n e"], here: Bool[Tensor, "w n"], inner: Prompt | None
    ) -> None:
        super().__init__(inner=inner)
        self.register_buffer("bank", bank.clone(), persistent=False)  # the encoder says it again
        self.register_buffer("here", here.clone(), persistent=False)
        self.weights = nn.Parameter(torch.zeros(len(bank)))

    @property
    def shares(self) -> Float[Tensor, " w"]:
        """How much each prompt counts."""
        return self.weights.softmax(0)

    def spoken(self) -> Float[Tensor, "n e"]:
        """Return the mean, place by place."""
        weighed = self.here * self.shares[:, None]
        return (weighed[..., None] * self.bank).sum(0) / weighed.sum(0)[:, None].clamp(min=1e-12)
