"""Distance of magnitude spectra, for a codec whose decoder makes nothing else."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from disco.core.batch import Batch
from disco.core.outputs import Outputs
from disco.core.ranges import NaturalFloat, PositiveFloat
from disco.core.term import Term
from disco.losses.sound import sounding
from disco.nets.spectral import log_level, relative_distance


class Magnitude(Term):
    """Squared distance of levels per bin, and the distance relative to the original's energy.

    Squares, because absolute distances forgive what is wrong in few bins: the onsets of single notes.
    Trained on absolute ones or on the relative distance alone, a transcriber hears fewer notes after
    training than before.

    Args:
        weight: factor in the sum.
        floor_db: dB below full scale at which levels begin; softer is as good as silent.
        relative: factor of the spectral convergence, which hears little but the loudest partials.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"magnitude", "magnitude_reference"})

    def __init__(self, *, weight: NaturalFloat, floor_db: PositiveFloat, relative: NaturalFloat) -> None:
        super().__init__(weight=weight)
        self.floor = 10 ** (-floor_db / 20)
        self.relative = relative

    def forward(self, out: Outputs, batch: Batch) -> Float[Tensor, ""]:
        """Return 0 for equal spectra."""
        made, wanted = out.magnitude, out.magnitude_reference
        assert made is not None
        assert wanted is not None
        with torch.autocast(made.device.type, enabled=False):
            levels = F.mse_loss(log_level(made, self.floor), log_level(wanted, self.floor))
            distance = levels / sounding(batch)
            return distance + self.relative * relative_distance(made, wanted) if self.relative else distance
