"""The value that stands for a piece of sound everywhere: samples and their rate."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from disco.audio.resample import resample


@dataclass(frozen=True, eq=False)
class Clip:
    """Sound at `rate` Hz, full scale at -1 and 1, one row per channel.

    Raises:
        ValueError: the wave is not a floating `[channels, samples]` tensor or the rate not positive.
    """

    wave: Float[Tensor, "c t"]
    rate: int

    def __post_init__(self) -> None:
        if self.wave.ndim != 2 or self.wave.shape[0] < 1 or not self.wave.is_floating_point():
            raise ValueError(
                f"a clip holds a float wave [channels, samples], got {self.wave.dtype} "
                f"{tuple(self.wave.shape)}"
            )
        if self.rate < 1:
            raise ValueError(f"a clip's rate must be positive, got {self.rate}")

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.wave.shape[1] / self.rate

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.wave.shape[0]

    def mono(self) -> "Clip":
        """Average the channels, so that a centred sound keeps its level."""
        return self if self.channels == 1 else Clip(self.wave.mean(0, keepdim=True), self.rate)

    def resampled(self, rate: int) -> "Clip":
        """Convert to `rate` Hz, outside the gradient; the sample at second s stays at second s."""
        if rate == self.rate:
            return self
        wave = resample(self.wave.detach().cpu().float().numpy(), self.rate, rate)
        return Clip(torch.from_numpy(wave).to(self.wave), rate)

    def within_full_scale(self) -> "Clip":
        """Turn a clip that peaks beyond full scale down as a whole, so that writing it cuts nothing."""
        peak = float(self.wave.abs().max()) if self.wave.numel() else 0.0
        return self if peak <= 1.0 else Clip(self.wave / peak, self.rate)
