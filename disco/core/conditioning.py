"""Joins what several conditioners say into one context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from disco.core.batch import Conditions
from disco.core.contracts import Conditioner, Context
from disco.core.wordings import HEARD_AS, Wordings
from disco.errors import DiscoError
from disco.nets.film import Film, pool
from disco.nets.guidance import InWords, Pass

Said = tuple[Float[Tensor, "b n d"], Bool[Tensor, "b n"]]


class Fuser:
    """Where each conditioner is heard; one that is not named is attended to by cross-attention.

    What a conditioner says per frame is added to the frames wherever it is named.

    Args:
        prepend: conditioners whose vectors stand before the first step, as melody and style do in MusicGen;
        sum: whose mean is added to every frame;
        film: whose mean scales and shifts what each layer makes.
    """

    def __init__(self, *, prepend: Sequence[str], sum: Sequence[str], film: Sequence[str]) -> None:  # noqa: A002
        self.prepend = tuple(prepend)
        self.sum = tuple(sum)
        self.film = tuple(film)
        named = [*prepend, *sum, *film]
        if twice := sorted({name for name in named if named.count(name) > 1}):
            raise DiscoError(f"fuser: {twice[0]} is named twice", do="name each conditioner once")

    def attended(self, names: Sequence[str]) -> list[str]:
        """Return which of the conditioners are attended to.

        Raises:
            DiscoError: one that is named here is not there.
        """
        elsewhere = {*self.prepend, *self.sum, *self.film}
        if missing := sorted(elsewhere - set(names)):
            raise DiscoError(
                f"fuser: there is no conditioner '{missing[0]}' here",
                do=f"name it in conditioner=[…], or choose from {', '.join(names) or 'none'}",
            )
        return [name for name in names if name not in elsewhere]


PLAIN = Fuser(prepend=(), sum=(), film=())


def fuse(
    conditioners: Mapping[str, Conditioner],
    conditions: Conditions,
    *,
    frames: int,
    frame_rate: float,
    fuser: Fuser = PLAIN,
    film: Film | None = None,
) -> Context:
    """Ask every conditioner; vectors of one place are put side by side, what is added is summed.

    Raises:
        DiscoError: a conditioner that says nothing but one vector per frame is to stand elsewhere.
    """
    parts = {name: part(conditions, frames, frame_rate) for name, part in conditioners.items()}
    for name in (*fuser.prepend, *fuser.sum, *fuser.film):
        if parts[name].cross is None:
            raise DiscoError(
                f"fuser: {name} says one vector per frame, which is added to the frames",
                do=f"leave {name} out of model.fuser",
            )
    attended = [name for name in parts if parts[name].cross is not None]
    cross, cross_mask = _beside(parts, fuser.attended(attended))
    prefix, prefix_mask = _beside(parts, fuser.prepend)
    added = [part.added for part in parts.values() if part.added is not None]
    if fuser.sum:
        added.append(_mean(parts, fuser.sum)[:, None].expand(-1, frames, -1))
    return Context(
        cross=cross,
        cross_mask=cross_mask,
        added=torch.stack(added).sum(0) if added else None,
        prefix=prefix,
        prefix_mask=prefix_mask,
        film=film(_mean(parts, fuser.film)) if film is not None else None,
    )


def _said(part: Context) -> Said:
    assert part.cross is not None, "asked only of those that say vectors"
    everything = part.cross.new_ones(part.cross.shape[:2], dtype=torch.bool)
    return part.cross, everything if part.cross_mask is None else part.cross_mask


def _beside(parts: Mapping[str, Context], names: Sequence[str]) -> Said | tuple[None, None]:
    if not names:
        return None, None
    said = [_said(parts[name]) for name in names]
    return torch.cat([vectors for vectors, _ in said], 1), torch.cat([mask for _, mask in said], 1)


def _mean(parts: Mapping[str, Context], names: Sequence[str]) -> Float[Tensor, "b d"]:
    """Return the sum of what each of them says on average."""
    return torch.stack([pool(*_said(parts[name])) for name in names]).sum(0)


def drop_some(conditions: Conditions, share: float, each: Mapping[str, float] | None = None) -> Conditions:
    """Silence items at random, by torch's global generator: training for guidance.

    Args:
        conditions: of a batch.
        share: how many items are told nothing at all.
        each: condition ("text", "timing", the name of a tag) to how many items are not told that one.
    """
    if share > 0:
        conditions = conditions.dropped(torch.rand(len(conditions)) < share)
    for name, part in (each or {}).items():
        conditions = conditions.without([name], torch.rand(len(conditions)) < part)
    return conditions


def told(conditions: Conditions, passes: Sequence[Pass]) -> Conditions:
    """Return the items once per pass, one pass behind the other, each with its conditions silenced."""
    count = len(conditions)
    copies = conditions.rows([place for _ in passes for place in range(count)])
    for place, silenced in enumerate(passes):
        here = torch.arange(len(copies)) // max(count, 1) == place
        if isinstance(silenced, InWords):
            copies = _in_words(copies, silenced.place, here)
        else:
            copies = copies.dropped(here) if silenced is None else copies.without(silenced, here)
    return copies


def _in_words(conditions: Conditions, place: int, here: Bool[Tensor, "b"]) -> Conditions:
    """Tell some items one of their wordings alone."""
    said = [
        one.alone(place) if chosen and isinstance(one, Wordings) else one
        for one, chosen in zip(conditions.given[HEARD_AS], here.tolist(), strict=True)
    ]
    return replace(conditions, given={**conditions.given, HEARD_AS: tuple(said)})


def typed(conditioners: Any) -> dict[str, Conditioner]:
    """Return the conditioners of a module dictionary, typed."""
    return {name: part for name, part in conditioners.items() if isinstance(part, Conditioner)}
