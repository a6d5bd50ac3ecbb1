"""Whether a checkpoint is of the run that wants to go on from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from disco.errors import DiscoError


def refuse_another(saved: Mapping[str, Any], mine: Mapping[str, Any]) -> None:
    """Refuse a checkpoint of another run.

    Raises:
        DiscoError: names every field that differs, as "saved → now"; nothing was changed yet.
    """
    if not saved or not mine:
        return
    fields = sorted({*saved, *mine})
    apart = [
        f"{name} {saved.get(name, 'none')} → {mine.get(name, 'none')}"
        for name in fields
        if saved.get(name) != mine.get(name)
    ]
    if apart:
        raise DiscoError(
            f"the checkpoint is of another run: {', '.join(apart)}",
            do="give what it was saved with, or begin anew from its weights: weights=run weights.run=…",
        )
