"""Multi-resolution spectral distance (Yamamoto, Song, Kim 2020, Parallel WaveGAN)."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from disco.core.batch import Batch
from disco.core.outputs import Outputs
from disco.core.ranges import NaturalFloat, PositiveInt
from disco.core.term import Term
from disco.losses.sound import sounding
from disco.nets.spectral import Stft, log_level, relative_distance


class MultiStft(Term):
    """Spectral convergence plus the mean distance of log magnitudes, averaged over windows.

    Args:
        weight: factor in the sum.
        windows: samples per window; frames lie a quarter of one apart.
        relative: factor of the spectral convergence.
        level: factor of the log distance.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"wave", "reference"})

    def __init__(
        self, *, weight: NaturalFloat, windows: list[PositiveInt], relative: NaturalFloat, level: NaturalFloat
    ) -> None:
        super().__init__(weight=weight)
        self.stfts = nn.ModuleList(Stft(size=size, hop=size // 4) for size in windows)
        self.relative = relative
        self.level = level

    def forward(self, out: Outputs, batch: Batch) -> Float[Tensor, ""]:
        """Return 0 for equal waves."""
        assert out.wave is not None
        assert out.reference is not None
        made, wanted = out.wave.flatten(0, 1), out.reference.flatten(0, 1)
        total = torch.zeros((), device=made.device)
        for stft in self.stfts:
            assert isinstance(stft, Stft)
            mine, theirs = stft.magnitude(made), stft.magnitude(wanted)
            total = total + self.relative * relative_distance(mine, theirs)
            apart = (log_level(mine) - log_level(theirs)).abs().mean() / sounding(batch)
            total = total + self.level * apart
        return total / len(self.stfts)
