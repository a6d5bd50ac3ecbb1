"""Keeps an encoder near its codebooks."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from disco.core.batch import Batch
from disco.core.outputs import Outputs
from disco.core.ranges import NaturalFloat
from disco.core.term import Term


class Commitment(Term):
    """Squared distance of what was quantised to the codewords chosen (van den Oord et al. 2017, eq. 3)."""

    needs: ClassVar[frozenset[str]] = frozenset({"commitment"})

    def __init__(self, *, weight: NaturalFloat) -> None:
        super().__init__(weight=weight)

    def forward(self, out: Outputs, batch: Batch) -> Float[Tensor, ""]:
        """Return the model's own figure."""
        assert out.commitment is not None
        return out.commitment
