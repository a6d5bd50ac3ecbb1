"""Whether a checkpoint is of the run that wants to go on from it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from torch import Tensor

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


def refuse_half(state: Mapping[str, Tensor], mine: Mapping[str, Tensor], needed: Collection[str]) -> None:
    """Refuse weights that do not fit a model.

    Raises:
        DiscoError: a tensor that is needed is missing, is unknown here, or has another shape.
    """
    missing = sorted(set(needed) - set(state))
    unknown = sorted(set(state) - set(mine))
    reshaped = [
        f"{name} {tuple(state[name].shape)} → {tuple(mine[name].shape)}"
        for name in sorted(set(state) & set(mine))
        if state[name].shape != mine[name].shape
    ]
    for what, names in (("lack", missing), ("have unknown", unknown), ("differ in", reshaped)):
        if names:
            raise DiscoError(
                f"the weights {what} {len(names)} tensors: {', '.join(names[:3])}"
                + (" …" if len(names) > 3 else ""),
                do="open them with the configuration that they were saved with",
            )
