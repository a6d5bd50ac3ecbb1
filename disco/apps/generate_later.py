"""What changes while a piece is played: `later=[{at: 4, prompt: "a slow air"}, {at: 8, guidance: 1}]`."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from omegaconf import DictConfig, ListConfig, OmegaConf

from disco.apps.generate_checks import check_number, check_prompt, check_sampler
from disco.errors import DiscoError

SAMPLED = ("guidance", "temperature", "top_k", "top_p")
KEYS = ("at", "prompt", "tags", "strength", *SAMPLED)


@dataclass(frozen=True, kw_only=True)
class Change:
    """The whole wish from a moment on.

    Attributes:
        at: seconds from the start.
        cfg: as if the command line had said all this; strengths: of the adapters, if they are set anew.
    """

    at: float
    cfg: DictConfig
    strengths: list[float] | None


def read_changes(cfg: DictConfig) -> list[Change]:
    """Return the changes in the order of their time; each goes on from the one before it.

    Raises:
        DiscoError: a key that cannot change, a time outside the piece, or a value that cannot be.
    """
    changes: list[Change] = []
    for place, one in enumerate(cfg.later):
        where = f"later[{place}]"
        if not isinstance(one, DictConfig):
            raise DiscoError(f"{where}={one}: this is no change", do="write it like {at: 4, prompt: …}")
        for key in one:
            if key not in KEYS:
                close = difflib.get_close_matches(str(key), KEYS, n=1)
                do = f"did you mean '{close[0]}'?" if close else f"choose from {', '.join(KEYS)}"
                raise DiscoError(f"{where}.{key}: this cannot change", do=do)
        check_number(one.get("at"), f"{where}.at", above=0.0)
        if one.at >= cfg.seconds:
            raise DiscoError(
                f"{where}.at={one.at}: the piece ends at {cfg.seconds:g} s", do="give an earlier time"
            )
    wish = cfg
    for one in sorted(cfg.later, key=lambda change: change.at):
        wish = _changed(wish, one)
        changes.append(Change(at=one.at, cfg=wish, strengths=_strengths(one)))
    return changes


def _changed(cfg: DictConfig, change: DictConfig) -> DictConfig:
    wish = cfg.copy()
    if "prompt" in change:
        check_prompt(change.prompt, "later.prompt")
        wish.prompt, wish.wordings = change.prompt, []
    if "tags" in change:
        OmegaConf.set_struct(wish.tags, value=False)
        wish.tags = OmegaConf.merge(wish.tags, change.tags)
    for name in SAMPLED:
        if name in change:
            wish.sampler[name] = change[name]
    check_sampler(wish.sampler)
    return wish


def _strengths(change: DictConfig) -> list[float] | None:
    if "strength" not in change:
        return None
    given = change.strength
    strengths = list(given) if isinstance(given, ListConfig) else [given]
    for one in strengths:
        check_number(one, "later.strength", above=None)
    return [float(one) for one in strengths]
