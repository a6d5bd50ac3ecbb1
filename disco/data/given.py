"""What training data gives beyond words: found in the notes of a record, in its sound, or in what it says.

Annotations stand in a record beside its fields: `"chords": [[0.0, "C:maj"], [2.0, "G:maj"]]`, `"sections"`
likewise (seconds and names), `"image": "covers/1.png"`. Chords and sections that nobody annotated are found
in the notes, where there are any.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from disco.audio.clip import Clip
from disco.audio.melody import RATE, leading_classes
from disco.core.contracts import seeded
from disco.core.given import Excerpt, Given, Labels, Melody, Notes, Picture
from disco.core.pictures import read_picture
from disco.core.record import Record
from disco.data.crops import Crop
from disco.data.pieces import read_piece
from disco.errors import DiscoError
from disco.midi.chords import find_chords
from disco.midi.form import sections_of
from disco.midi.score import NoteTable, note_table, read_score

MELODY_RATE = 32.0  # frames per second
STYLE_SECONDS = 3.0  # of an excerpt, the mean of what MusicGen-Style draws (arXiv 2407.12563)
STYLE_RATE = 16000  # Hz
CHORD_STEP, CHORD_STAY = 0.25, 8.0  # as the metric `chords` finds them
SECTION_BARS = 8  # of dance tunes
_STYLE = 0x5E  # sets the draw of excerpts apart from that of crops
_KEPT = 4096  # scores and pictures in memory


class Giver:
    """Finds what a model wants to be given of a crop.

    Args:
        root: folder that the records' paths start from.
        wants: names, see `Conditions.given`.
        seed: of the excerpts of style, which are drawn anew in each epoch.

    Raises:
        DiscoError: nobody can give that.
    """

    def __init__(self, root: Path, wants: Sequence[str], seed: int) -> None:
        self.root = root
        self.seed = seed
        self._finders: dict[str, Callable[[Crop, tuple[int, int]], Given | None]] = {
            "melody": self._melody,
            "chords": self._chords,
            "sections": self._sections,
            "midi": self._midi,
            "style": self._style,
            "image": self._image,
        }
        if unknown := sorted(set(wants) - set(self._finders)):
            raise DiscoError(
                f"a conditioner wants '{unknown[0]}', which no data gives",
                do=f"choose from {', '.join(self._finders)}",
            )
        self.wants = tuple(wants)

    def give(self, crop: Crop, key: tuple[int, int]) -> Crop:
        """Return a crop with what is known of it; None where nothing is.

        Args:
            crop: as it is cut.
            key: epoch and place of the item.
        """
        if not self.wants:
            return crop
        given = {name: self._finders[name](crop, key) for name in self.wants}
        return Crop(crop.record, crop.start, crop.seconds, given)

    def _melody(self, crop: Crop, key: tuple[int, int]) -> Melody:
        wave = read_piece(
            self.root, crop.record, start=crop.start, seconds=crop.seconds, rate=RATE, channels=1
        )
        return Melody(leading_classes(Clip(wave, RATE), MELODY_RATE), MELODY_RATE)

    def _chords(self, crop: Crop, key: tuple[int, int]) -> Labels | None:
        record, notes = crop.record, self._notes(crop.record)
        labels = _annotated(record, "chords")
        if labels is None and notes is not None:
            found = find_chords(notes, record.duration, step=CHORD_STEP, stay=CHORD_STAY)
            labels = Labels(tuple(found.intervals[:, 0].tolist()), found.labels, record.duration)
        return None if labels is None else labels.later(crop.start)

    def _sections(self, crop: Crop, key: tuple[int, int]) -> Labels | None:
        record, notes = crop.record, self._notes(crop.record)
        labels = _annotated(record, "sections")
        bar = record.beats_per_bar
        if labels is None and notes is not None and bar is not None and record.tempo is not None:
            quarter = 60.0 / record.tempo
            step, first = SECTION_BARS * bar * quarter, record.pickup_beats % bar * quarter
            count = max(1, round((record.duration - first) / step))
            edges = [0.0, *(first + place * step for place in range(1, count)), record.duration]
            labels = Labels(tuple(edges[:-1]), tuple(sections_of(notes, edges)), record.duration)
        return None if labels is None else labels.later(crop.start)

    def _midi(self, crop: Crop, key: tuple[int, int]) -> Notes | None:
        notes = self._notes(crop.record)
        return None if notes is None else Notes(notes).later(crop.start)

    def _style(self, crop: Crop, key: tuple[int, int]) -> Excerpt:
        spare = max(0.0, crop.record.duration - STYLE_SECONDS)
        start = spare * torch.rand((), generator=seeded(self.seed, *key, _STYLE)).item()
        wave = read_piece(
            self.root, crop.record, start=start, seconds=STYLE_SECONDS, rate=STYLE_RATE, channels=1
        )
        return Excerpt(Clip(wave, STYLE_RATE))

    def _image(self, crop: Crop, key: tuple[int, int]) -> Picture | None:
        name = crop.record.extra.get("image")
        return None if not isinstance(name, str) else _picture(self.root / name)

    def _notes(self, record: Record) -> NoteTable | None:
        return None if record.midi_path is None else _table(self.root / record.midi_path)


@lru_cache(_KEPT)
def _table(path: Path) -> NoteTable:
    return note_table(read_score(path))


@lru_cache(_KEPT)
def _picture(path: Path) -> Picture:
    return read_picture(path)


def _annotated(record: Record, name: str) -> Labels | None:
    """Read what a record is said to hold from when on.

    Raises:
        DiscoError: it is no list of seconds and names that rise.
    """
    said: Any = record.extra.get(name)
    if not said:
        return None
    try:
        starts, names = zip(*((float(start), str(label)) for start, label in said), strict=True)
        return Labels(starts, names, record.duration)
    except (TypeError, ValueError) as error:
        raise DiscoError(
            f"{record.id}: its {name} cannot be read ({error})",
            do=f'write "{name}": [[0.0, "A"], [16.0, "B"]], seconds and names',
        ) from error
