"""Held-out music as judges need it: what is asked for, and how the real thing sounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from disco.apps.takes import RENDER_RATE, SCORES
from disco.audio.clip import Clip
from disco.core.batch import Conditions
from disco.core.metric import Asked, Take
from disco.core.record import Record
from disco.data.crops import Crop, CropPlan, conditions_of
from disco.data.given import Giver
from disco.data.pieces import read_piece
from disco.errors import DiscoError
from disco.metrics.mood import WORDS
from disco.metrics.tonality import parse_key
from disco.midi.render import render
from disco.midi.score import NoteTable, note_table, read_score, score_from_notes

if TYPE_CHECKING:
    from disco.core.datamodule import MusicData


@dataclass(frozen=True)
class HeldOut:
    """Crops of held-out pieces; item by item the same in both."""

    conditions: Conditions
    takes: list[Take]


def hold_out(
    data: MusicData, split: str, *, seconds: float, count: int, wants: Sequence[str] = ()
) -> HeldOut:
    """Return `count` crops of `seconds`, spread over the split's records, none shorter than asked.

    Args:
        data: not yet told what a model wants, or told.
        split: of it.
        seconds: of each crop.
        count: of crops, at most.
        wants: what a model hears beyond words, see `Conditions.given`.

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
    if wants:
        giver = Giver(Path(data.root), wants, seed=0)  # type: ignore[attr-defined]  as in `_take`
        crops = [giver.give(crop, (0, index)) for index, crop in enumerate(crops)]
    return HeldOut(conditions_of(crops), [_take(data, crop) for crop in crops])


def asked_of(record: Record) -> Asked:
    """Return what a judge can hold music against; words and keys that it does not know say nothing."""
    known = {word for words in WORDS.values() for word in words}
    return Asked(
        key=record.key if _is_key(record.key) else None,
        instruments=tuple(record.instruments),
        moods=tuple(word for word in record.mood if word.strip().lower() in known),
    )


def _is_key(name: str | None) -> bool:
    try:
        return name is not None and parse_key(name) is not None
    except DiscoError:
        return False


def _take(data: MusicData, crop: Crop) -> Take:
    record = crop.record
    root = Path(data.root)  # type: ignore[attr-defined]  every data module of this package has one
    notes = note_table(read_score(root / record.midi_path)) if record.midi_path else None
    notes = None if notes is None else _window(notes, crop.start, crop.seconds)
    return Take(
        name=record.id,
        clip=_sound(root, crop, notes),
        notes=notes,
        seconds=crop.seconds,
        tempo_bpm=record.tempo,
        asked=asked_of(record),
    )


def _sound(root: Path, crop: Crop, notes: NoteTable | None) -> Clip:
    """Return how a crop sounds: its audio, or its notes played where it has none."""
    record = crop.record
    if Path(record.file_path).suffix.lower() in SCORES and notes is not None:
        played = render(score_from_notes(notes), rate=RENDER_RATE, channels=1).wave
        wanted = round(crop.seconds * RENDER_RATE)
        silence = played.new_zeros(1, wanted)
        silence[:, : min(wanted, played.shape[1])] = played[:, :wanted]
        return Clip(silence, RENDER_RATE)
    wave = read_piece(
        root,
        record,
        start=crop.start,
        seconds=crop.seconds,
        rate=record.sample_rate,
        channels=record.channels,
    )
    return Clip(wave, record.sample_rate)


def _window(notes: NoteTable, start: float, seconds: float) -> NoteTable:
    inside = notes.where((notes.onset >= start - 1e-3) & (notes.onset < start + seconds - 1e-3))
    return replace(
        inside,
        onset=np.maximum(inside.onset - start, 0.0),
        offset=np.minimum(inside.offset - start, seconds),
    )
