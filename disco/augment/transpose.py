"""Transposition of score tokens."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from disco.core.contracts import ScoreAugment
from disco.core.ranges import NaturalInt


class Transpose(ScoreAugment):
    """Moves every pitch token by the same random number of semitones.

    Args:
        max_semitones: the most that pitches move, up or down; a move that would leave the
            vocabulary's range is not drawn.
    """

    def __init__(self, *, max_semitones: NaturalInt) -> None:
        self.max_semitones = max_semitones

    def __call__(
        self, tokens: Int[Tensor, "s"], generator: torch.Generator, pitches: range
    ) -> Int[Tensor, "s"]:
        """Return the tokens transposed; `pitches` are the ids of pitches, semitone by semitone."""
        here = (tokens >= pitches.start) & (tokens < pitches.stop)
        if not here.any() or self.max_semitones == 0:
            return tokens
        down = min(self.max_semitones, int(tokens[here].min()) - pitches.start)
        up = min(self.max_semitones, pitches.stop - 1 - int(tokens[here].max()))
        shift = int(torch.randint(-down, up + 1, (), generator=generator))
        return torch.where(here, tokens + shift, tokens)
