"""The sampler of a command line: its numbers, and the pieces of guidance that it names."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from disco.apps.compose import build
from disco.apps.parts import build_many
from disco.errors import DiscoError

if TYPE_CHECKING:
    from disco.core.contracts import Sampler


def build_sampler(cfg: DictConfig) -> Sampler:
    """Build `cfg.sampler` with `cfg.guidance`, whose shapers work in the order in which they are named.

    Raises:
        DiscoError: two of the pieces both say what is asked.
    """
    from disco.nets.guidance import Chain, Guidance, Plain, Shaper

    sampler: Sampler = build(cfg.sampler, "sampler")
    pieces = build_many(cfg.get("guidance"), "guidance")
    chains = {name: piece for name, piece in pieces.items() if isinstance(piece, Chain)}
    if len(chains) > 1:
        raise DiscoError(
            f"guidance=[{','.join(chains)}]: each of these says how often the model is asked",
            do=f"name one of them, for example guidance=[{next(iter(chains))}]",
        )
    chain = next(iter(chains.values()), None) or Plain(weight=sampler.guidance)
    shapers = [piece for piece in pieces.values() if isinstance(piece, Shaper)]
    return replace(sampler, guided=Guidance(chain, shapers)) if pieces else sampler
