"""What a model answers: named slots, `None` where a family has nothing to say."""

from __future__ import annotations

from dataclasses import dataclass, fields

from jaxtyping import Bool, Float, Int
from torch import Tensor

from disco.nets.cross_entropy import cross_entropy


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """One forward pass, as losses and metrics read it.

    Attributes:
        logits: scores of the next token, per codebook (`k` is 1 for scores); a model may leave them out
            of a training pass where it gives `nats` and no loss reads them otherwise.
        nats: mean over codebooks of the mean surprise at `targets` over valid steps.
        targets: the token that came.
        mask: true where `targets` counts.
        wave: what the model made.
        reference: what it should have made.
        magnitude: short-time spectrum that a magnitude-only head made, linear.
        magnitude_reference: what it should have been.
        commitment: distance of the encoder's output to its codewords.
        codes: tokens of the pass, for counting codebook use.
        hidden: the last hidden states, one per step of the network, which need not be one per target.
    """

    logits: Float[Tensor, "b k s v"] | None = None
    nats: Float[Tensor, ""] | None = None
    targets: Int[Tensor, "b k s"] | None = None
    mask: Bool[Tensor, "b k s"] | None = None
    wave: Float[Tensor, "b c t"] | None = None
    reference: Float[Tensor, "b c t"] | None = None
    magnitude: Float[Tensor, "b bins f"] | None = None
    magnitude_reference: Float[Tensor, "b bins f"] | None = None
    commitment: Float[Tensor, ""] | None = None
    codes: Int[Tensor, "b k f"] | None = None
    hidden: Float[Tensor, "b n d"] | None = None

    @property
    def count(self) -> int:
        """How much this pass weighs in an average: its valid targets, or its items."""
        if self.mask is not None:
            return int(self.mask.sum())
        filled = next(value for f in fields(self) if (value := getattr(self, f.name)) is not None)
        return len(filled)


SLOTS = frozenset(item.name for item in fields(Outputs))


def per_codebook(out: Outputs) -> Float[Tensor, "k"]:
    """Return the mean cross-entropy of each codebook in nats; 0 where a codebook has no valid step."""
    assert out.logits is not None, "checked by needs"
    assert out.targets is not None
    assert out.mask is not None
    nats = cross_entropy(out.logits, out.targets)
    return (nats * out.mask).sum((0, 2)) / out.mask.sum((0, 2)).clamp(min=1)
