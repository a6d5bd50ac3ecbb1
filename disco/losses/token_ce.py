"""Cross-entropy of the next token: what a language model minimises."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from disco.core.batch import Batch
from disco.core.outputs import Outputs, per_codebook
from disco.core.ranges import NaturalFloat
from disco.core.term import Term


class TokenCE(Term):
    """Mean over codebooks of the mean over valid steps, in nats, as MusicGen's."""

    needs: ClassVar[frozenset[str]] = frozenset({"logits", "targets", "mask"})
    spares: ClassVar[frozenset[str]] = frozenset({"logits"})

    def __init__(self, *, weight: NaturalFloat) -> None:
        super().__init__(weight=weight)

    def forward(self, out: Outputs, batch: Batch) -> Float[Tensor, ""]:
        """Return the unweighted value."""
        return per_codebook(out).mean() if out.nats is None else out.nats
