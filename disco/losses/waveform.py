"""Sample by sample distance."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from disco.core.batch import Batch
from disco.core.outputs import Outputs
from disco.core.ranges import NaturalFloat
from disco.core.term import Term
from disco.losses.sound import sounding


class Waveform(Term):
    """Mean absolute difference: the one term that hears phase."""

    needs: ClassVar[frozenset[str]] = frozenset({"wave", "reference"})

    def __init__(self, *, weight: NaturalFloat) -> None:
        super().__init__(weight=weight)

    def forward(self, out: Outputs, batch: Batch) -> Float[Tensor, ""]:
        """Return 0 for equal waves."""
        assert out.wave is not None
        assert out.reference is not None
        return F.l1_loss(out.wave.float(), out.reference.float()) / sounding(batch)
