"""How much music went through, and lengths of time the way people say them."""

from __future__ import annotations

import torch

from disco.core.batch import AudioBatch, Batch, CodeBatch
from disco.core.views import CodeView, View


def amount_of(batch: Batch) -> tuple[torch.Tensor, str]:
    """Return how much music a batch holds, without its padding, and in which unit."""
    count = batch.valid.sum()
    if isinstance(batch, AudioBatch):
        return count / batch.rate, "audio-s"
    if isinstance(batch, CodeBatch):
        return count * batch.codes.shape[1], "tokens"
    return count, "tokens"


def amounts_of(batch: Batch, view: View) -> dict[str, torch.Tensor]:
    """Return the tokens and the seconds of sound of a batch, without its padding, as far as it has them."""
    amount, unit = amount_of(batch)
    if unit == "audio-s":
        return {"audio_seconds": amount}
    if isinstance(batch, CodeBatch) and isinstance(view, CodeView):
        return {"tokens": amount, "audio_seconds": batch.valid.sum() * (view.codec.hop / view.codec.rate)}
    return {"tokens": amount}


def duration(seconds: float) -> str:
    """Write a length of time the way people say it: 42 s, 3:05, 2:10:00."""
    whole = max(0, round(seconds))
    hours, minutes = whole // 3600, whole % 3600 // 60
    if hours:
        return f"{hours}:{minutes:02d}:{whole % 60:02d}"
    return f"{minutes}:{whole % 60:02d}" if minutes else f"{whole} s"
