"""Distance of magnitude spectra, for a codec whose decoder makes nothing else."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from disco.core.batch import Batch
from disco.core.outputs import Outputs
from disco.core.ranges import NaturalFloat, PositiveInt
from disco.core.term import Term
from disco.losses.sound import rate_of, sounding
from disco.nets.spectral import log_level, mel_filters, relative_distance


class Magnitude(Term):
    """Log distance per bin, log distance per mel band, and the distance relative to the original's energy.

    Args:
        weight: factor in the sum.
        bins: factor of the mean log distance of single bins: timbre and noise.
        bands: factor of the mean log distance of mel bands: what loudness the ear hears where.
        relative: factor of the spectral convergence: the partials of notes, which carry the energy.
        num_bands: mel bands.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"magnitude", "magnitude_reference"})

    def __init__(
        self,
        *,
        weight: NaturalFloat,
        bins: NaturalFloat,
        bands: NaturalFloat,
        relative: NaturalFloat,
        num_bands: PositiveInt,
    ) -> None:
        super().__init__(weight=weight)
        self.bins = bins
        self.bands = bands
        self.relative = relative
        self.num_bands = num_bands

    def forward(self, out: Outputs, batch: Batch) -> Float[Tensor, ""]:
        """Return 0 for equal spectra."""
        made, wanted = out.magnitude, out.magnitude_reference
        assert made is not None
        assert wanted is not None
        with torch.autocast(made.device.type, enabled=False):
            filters = mel_filters(rate_of(batch), 2 * (made.shape[1] - 1), self.num_bands).to(made.device)
            bins = (log_level(made) - log_level(wanted)).abs().mean()
            bands = (log_level(filters @ made) - log_level(filters @ wanted)).abs().mean()
            levels = (self.bins * bins + self.bands * bands) / sounding(batch)
            return levels + self.relative * relative_distance(made, wanted)
