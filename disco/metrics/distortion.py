"""How far takes are from the very sound that they should be: for codecs, rendering, restoration."""

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from disco.audio.clip import Clip
from disco.audio.distortion import multi_stft_distance, si_sdr_db, snr_db, spectral_convergence
from disco.core.metric import Averaged, Take
from disco.core.ranges import PositiveInt
from disco.errors import DiscoError


class Distortion(Averaged):
    """Sample by sample against the reference, mean over takes.

    * `snr_db`: energy of the reference over that of the difference, 100 where there is none.
    * `si_sdr_db`: the same whatever the level (Le Roux et al. 2019); more is better, here as in the paper.
    * `spectral_convergence`: relative distance of magnitudes (Arık, Jun, Diamos 2019).
    * `multi_stft`: spectral convergence plus log distance over three windows (Yamamoto et al. 2020).

    A take that is shifted by a few samples scores badly in the first two, whatever it sounds like. Both are
    compared as far as the shorter one goes, at the reference's rate; takes whose reference is silent are
    left out.

    Args:
        window: samples of the spectral convergence's window.
    """

    needs = frozenset({"made", "reference"})
    higher_is_better: ClassVar[Mapping[str, bool | None]] = {
        "snr_db": True,
        "si_sdr_db": True,
        "spectral_convergence": False,
        "multi_stft": False,
    }

    def __init__(self, *, window: PositiveInt) -> None:
        super().__init__()
        self.window = window

    def measure(self, made: Take, reference: Take | None) -> dict[str, float]:
        """Compare one take with its reference."""
        assert reference is not None
        mine, theirs = alike(made.sound, reference.sound)
        if not bool(theirs.any()):
            return dict.fromkeys(self.higher_is_better, math.nan)
        return {
            "snr_db": snr_db(mine, theirs),
            "si_sdr_db": si_sdr_db(mine, theirs),
            "spectral_convergence": spectral_convergence(mine, theirs, size=self.window),
            "multi_stft": multi_stft_distance(mine, theirs),
        }


def alike(made: Clip, reference: Clip) -> tuple[Float[Tensor, "c t"], Float[Tensor, "c t"]]:
    """Bring two clips to one rate, one channel count and one length.

    Raises:
        DiscoError: one of them is empty.
    """
    if made.channels != reference.channels:
        made, reference = made.mono(), reference.mono()
    made = made.resampled(reference.rate)
    length = min(made.wave.shape[1], reference.wave.shape[1])
    if not length:
        raise DiscoError("a take or its reference has no sample", do="leave it out")
    return made.wave[:, :length].detach().cpu().to(torch.float64), reference.wave[
        :, :length
    ].detach().cpu().to(torch.float64)
