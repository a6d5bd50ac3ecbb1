"""The sampler of a command line: its numbers, and the pieces of guidance that it names."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from disco.apps.compose import build
from disco.apps.generate_wish import texts_of
from disco.apps.parts import build_many
from disco.errors import DiscoError

if TYPE_CHECKING:
    from disco.apps.ensembles import Ensemble
    from disco.core.contracts import Sampler


def build_ensemble(cfg: DictConfig) -> Ensemble | None:
    """Build what becomes of several wordings.

    Raises:
        DiscoError: wordings that nothing is done with.
    """
    if cfg.get("ensemble") is not None:
        return build(cfg.ensemble, "ensemble")
    if cfg.wordings:
        raise DiscoError(
            "wordings: nothing is said of what becomes of them", do="give ensemble=mean, guided or best"
        )
    return None


def build_sampler(cfg: DictConfig, ensemble: Ensemble | None = None) -> Sampler:
    """Build `cfg.sampler` with `cfg.guidance`, whose shapers work in the order in which they are named.

    Raises:
        DiscoError: two of the pieces both say what is asked.
    """
    sampler, chain = _guided(cfg)
    if ensemble is None:
        return sampler
    try:
        worded = ensemble.guide(sampler, texts_of(cfg))
    except ValueError as error:
        raise DiscoError(f"ensemble: {error}", do="see ensemble.weights and wordings=[…]") from error
    if worded is not sampler and chain is not None:
        raise DiscoError(
            f"guidance=[{chain}] and ensemble=guided both say how often the model is asked",
            do="leave one of them out",
        )
    return worded


def _guided(cfg: DictConfig) -> tuple[Sampler, str | None]:
    """Return the sampler with its guidance, and the name of the chain that was chosen."""
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
    chosen = next(iter(chains), None)
    return (replace(sampler, guided=Guidance(chain, shapers)) if pieces else sampler), chosen
