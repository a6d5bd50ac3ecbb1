"""Log-mel distance through windows of several lengths."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from disco.core.batch import Batch
from disco.core.outputs import Outputs
from disco.core.ranges import NaturalFloat, PositiveInt
from disco.core.term import Term
from disco.losses.sound import rate_of, sounding
from disco.nets.spectral import Stft, log_level, mel_filters


class Mel(Term):
    """Mean distance of log levels per mel band, in nats; a quarter of a window between frames.

    Args:
        weight: factor in the sum.
        windows: samples per window; long ones compare pitches, short ones attacks.
        num_bands: mel bands, one number per window.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"wave", "reference"})

    def __init__(
        self, *, weight: NaturalFloat, windows: list[PositiveInt], num_bands: list[PositiveInt]
    ) -> None:
        super().__init__(weight=weight)
        if len(windows) != len(num_bands):
            raise ValueError(f"{len(windows)} windows need as many num_bands, not {len(num_bands)}")
        self.stfts = nn.ModuleList(Stft(size=size, hop=size // 4) for size in windows)
        self.num_bands = num_bands

    def forward(self, out: Outputs, batch: Batch) -> Float[Tensor, ""]:
        """Return 0 for equal waves."""
        assert out.wave is not None
        assert out.reference is not None
        made, wanted = out.wave.flatten(0, 1), out.reference.flatten(0, 1)
        rate = rate_of(batch)
        total = torch.zeros((), device=made.device)
        for stft, bands in zip(self.stfts, self.num_bands, strict=True):
            assert isinstance(stft, Stft)
            filters = mel_filters(rate, stft.size, bands).to(made.device)
            with torch.autocast(made.device.type, enabled=False):
                levels = [log_level(filters @ stft.magnitude(wave)) for wave in (made, wanted)]
            total = total + (levels[0] - levels[1]).abs().mean()
        return total / len(self.stfts) / sounding(batch)
