"""Held-out music as judges need it: what is asked for, and how the real thing sounds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from disco.audio.io import read_clip
from disco.core.batch import Conditions
from disco.core.metric import Take
from disco.data.crops import Crop, CropPlan, conditions_of
from disco.errors import DiscoError
from disco.midi.score import NoteTable, note_table, read_score

if TYPE_CHECKING:
    from disco.core.datamodule import MusicData


@dataclass(frozen=True)
class HeldOut:
    """Crops of held-out pieces; item by item the same in both."""

    conditions: Conditions
    takes: list[Take]


def hold_out(data: MusicData, split: str, *, seconds: float, count: int) -> HeldOut:
    """Return `count` crops of `seconds`, spread over the split's records, none shorter than asked.

    Raises:
        DiscoError: the split has no record that long.
    """
    records = [record for record in data.records(split) if record.duration >= seconds]
    if not records:
        raise DiscoError(
            f"the {split} split has no record of {seconds} s", do="ask for fewer seconds or more data"
        )
    plan = CropPlan(records, seconds=seconds, seed=0, draw=False, most=count)
    crops = [plan.crop(0, index) for index in range(len(plan))]
    crops = [crop for crop in crops if crop.record.duration - crop.start >= seconds]
    return HeldOut(conditions_of(crops), [_take(data, crop) for crop in crops])


def _take(data: MusicData, crop: Crop) -> Take:
    record = crop.record
    root = data.root  # type: ignore[attr-defined]  every data module of this package has one
    notes = note_table(read_score(root / record.midi_path)) if record.midi_path else None
    return Take(
        clip=read_clip(root / record.file_path, start=crop.start, seconds=crop.seconds),
        notes=None if notes is None else _window(notes, crop.start, crop.seconds),
        seconds=crop.seconds,
        tempo_bpm=record.tempo,
    )


def _window(notes: NoteTable, start: float, seconds: float) -> NoteTable:
    inside = notes.where((notes.onset >= start - 1e-3) & (notes.onset < start + seconds - 1e-3))
    return replace(
        inside,
        onset=np.maximum(inside.onset - start, 0.0),
        offset=np.minimum(inside.offset - start, seconds),
    )
