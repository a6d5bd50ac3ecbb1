"""Two sounds at once, as AudioGen was trained (Kreuk et al. 2022, 2209.15352, section 3.3)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from disco.core.contracts import PairAugment
from disco.core.ranges import Share
from disco.errors import DiscoError

QUIETEST = 1e-5  # mean level: a silent clip has no level to mix by


class Mix(PairAugment):
    """Adds another example at a drawn level and a drawn place; its caption joins the first one's.

    The first keeps its level, unless both together pass full scale: then the mixture is turned down.

    Args:
        share: of the examples that take another one in.
        min_snr_db: how far the first lies above the other at least; max_snr_db: at most.
        min_overlap: the share of the first in which the other is heard at least.

    Raises:
        DiscoError: the bounds are the wrong way round.
    """

    def __init__(self, *, share: Share, min_snr_db: float, max_snr_db: float, min_overlap: Share) -> None:
        if min_snr_db > max_snr_db:
            raise DiscoError(
                f"augment.mix: min_snr_db={min_snr_db:g} lies above max_snr_db={max_snr_db:g}", do="swap them"
            )
        self.share = share
        self.min_snr_db = min_snr_db
        self.max_snr_db = max_snr_db
        self.min_overlap = min_overlap

    def wanted(self, generator: torch.Generator) -> bool:
        """Draw whether this example takes another one in."""
        return torch.rand((), generator=generator).item() < self.share

    def __call__(
        self, wave: Float[Tensor, "c t"], other: Float[Tensor, "c u"], generator: torch.Generator
    ) -> Float[Tensor, "c t"]:
        """Return both at once, as long as the first."""
        level, place = torch.rand(2, generator=generator).tolist()
        snr_db = self.min_snr_db + level * (self.max_snr_db - self.min_snr_db)
        start = int(place * (1 - self.min_overlap) * wave.shape[1])
        heard = other[:, : wave.shape[1] - start]
        if min(_level(wave), _level(heard)) < QUIETEST:
            return wave
        gain = _level(wave) / _level(heard) * 10 ** (-snr_db / 20)
        mixed = wave.clone()
        mixed[:, start : start + heard.shape[1]] += gain * heard
        return mixed / mixed.abs().max().clamp(min=1.0)

    def caption(self, one: str | None, other: str | None) -> str | None:
        """Return both captions as one sentence."""
        said = [text.strip().rstrip(".") for text in (one, other) if text and text.strip()]
        return " and ".join(said) or None


def _level(wave: Float[Tensor, "c t"]) -> float:
    """Return the root mean square; of nothing, none."""
    return wave.square().mean().sqrt().item() if wave.numel() else 0.0
