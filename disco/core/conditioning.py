"""Joins what several conditioners say into one context."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from disco.core.batch import Conditions
from disco.core.contracts import Conditioner, Context


def fuse(
    conditioners: Mapping[str, Conditioner], conditions: Conditions, *, frames: int, frame_rate: float
) -> Context:
    """Ask every conditioner; what is attended to is put side by side, what is added is summed."""
    parts = [part(conditions, frames, frame_rate) for part in conditioners.values()]
    crosses = [part.cross for part in parts if part.cross is not None]
    masks = [
        torch.ones(part.cross.shape[:2], dtype=torch.bool, device=part.cross.device)
        if part.cross_mask is None
        else part.cross_mask
        for part in parts
        if part.cross is not None
    ]
    added = [part.added for part in parts if part.added is not None]
    return Context(
        cross=torch.cat(crosses, 1) if crosses else None,
        cross_mask=torch.cat(masks, 1) if masks else None,
        added=torch.stack(added).sum(0) if added else None,
    )


def drop_some(conditions: Conditions, share: float) -> Conditions:
    """Silence each item with probability `share`, by torch's global generator: training for guidance."""
    return conditions.dropped(torch.rand(len(conditions)) < share) if share > 0 else conditions


def both_halves(conditions: Conditions, guidance: float) -> Conditions:
    """Return what must be asked for guided generation: the items, the silent items, or both in this order."""
    if guidance == 1:
        return conditions
    if guidance == 0:
        return conditions.silent()
    count = len(conditions)
    twice = conditions.rows([*range(count), *range(count)])
    return twice.dropped(torch.arange(2 * count) >= count)
