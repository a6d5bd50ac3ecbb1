"""Places for adapters that are no layer of their own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rows:
    """Rows of one weight that several projections share, as query, key and value often do.

    Attributes:
        pattern: regex over the names of parameters.
        part: which of the equal parts the rows are, from 0; of: how many parts there are.
    """

    pattern: str
    part: int
    of: int


Site = str | Rows  # a string is a regex over the names of submodules

# Kinds of adapters, for which a model names default sites.
LOW_RANK = "low_rank"  # updates of weights
FACTORS = "factors"  # on what layers say
DETOUR = "detour"  # networks behind layers
PREFIX = "prefix"  # keys and values in attentions
PROMPT = "prompt"  # vectors before text
LAYERS = "layers"  # weights of the base
