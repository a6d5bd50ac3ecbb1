"""Notes to be played: an encoder reads them as events, and each frame hears those that sound."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from disco.conditioners.listener import Listener
from disco.core.batch import Conditions
from disco.core.contracts import Context
from disco.core.given import Notes
from disco.core.ranges import PositiveInt, Share
from disco.midi.score import NoteTable, note_table, read_score
from disco.nets.transformer import Sinusoidal

PITCHES = 128
DRUMS = PITCHES  # rows from here on are drums
STEPS_PER_SECOND = 100.0  # at which onsets are told apart


@runtime_checkable
class Reader(Protocol):
    """A network over events; what lies behind the end of an item's events changes nothing."""

    def __call__(self, events: Float[Tensor, "b n d"], counts: Bool[Tensor, "b n"]) -> Float[Tensor, "b n d"]:
        """Return the events, each in the light of the others."""
        ...


class AttentionReader(nn.Module):
    """A transformer that looks both ways."""

    def __init__(self, *, width: PositiveInt, depth: PositiveInt, heads: PositiveInt) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)

    def forward(self, events: Float[Tensor, "b n d"], counts: Bool[Tensor, "b n"]) -> Float[Tensor, "b n d"]:
        """Return the events, each in the light of the others."""
        nothing = ~counts.any(1, keepdim=True)  # a softmax over nothing is not a number
        return self.layers(events, src_key_padding_mask=~(counts | nothing))


class NoteFrames(Listener):
    """Adds to every frame the notes that begin in it and those that sound in it.

    At generation it is given as `midi=tune.mid`.

    Args:
        reader: of the events.
        most_notes: of one window; later ones are not heard.
    """

    hears = "midi"

    def __init__(
        self, *, width: PositiveInt, reader: Reader, most_notes: PositiveInt, dropout: Share
    ) -> None:
        super().__init__(dropout=dropout)
        self.most_notes = most_notes
        self.pitch_embedding = nn.Embedding(2 * PITCHES, width)
        self.touch = nn.Linear(2, width)  # velocity and length
        self.reader = reader
        self.begins = nn.Linear(width, width, bias=False)
        self.sounds = nn.Linear(width, width, bias=False)
        self.known = nn.Parameter(torch.zeros(width))  # tells a rest from no score
        self.times = Sinusoidal(max_period=10000.0)
        nn.init.normal_(self.pitch_embedding.weight)

    def forward(self, conditions: Conditions, frames: int, frame_rate: float) -> Context:
        """Return a vector per frame, to be added; nothing where no score is given."""
        place, heard = self.known.device, self.heard(conditions)
        tables = [None if one is None else self._within(one.table, frames / frame_rate) for one in heard]
        longest = max([1, *(len(table) for table in tables if table is not None)])
        rows = torch.zeros(len(tables), longest, 5)
        counts = torch.zeros(len(tables), longest, dtype=torch.bool)
        for row, count, table in zip(rows, counts, tables, strict=True):
            if table is not None and len(table):
                row[: len(table)] = _rows(table)
                count[: len(table)] = True
        rows, counts = rows.to(place), counts.to(place)
        onset, offset, pitch, touch = rows[..., 0], rows[..., 1], rows[..., 2].long(), rows[..., 3:]
        steps = (onset * STEPS_PER_SECOND).round().clamp(min=0).long()
        events = self.pitch_embedding(pitch) + self.touch(touch.to(self.known.dtype))
        events = events + self.times.added(steps, events.shape[-1]).to(events.dtype)
        read = self.reader(events, counts)
        frame = torch.arange(frames, device=place)[:, None]
        first = (onset * frame_rate + 1e-3).floor()[:, None]
        middle = (frame + 0.5) / frame_rate
        begins = (first == frame) & counts[:, None]
        sounds = (first <= frame) & (offset[:, None] > middle) & counts[:, None]
        told = torch.tensor([one is not None for one in heard], device=place)[:, None, None]
        added = begins.to(read.dtype) @ self.begins(read) + sounds.to(read.dtype) @ self.sounds(read)
        return Context(added=added + self.known * told)

    def _within(self, table: NoteTable, seconds: float) -> NoteTable:
        """Return the notes of the window, as many as there is room for."""
        kept = table.where((table.onset < seconds) & (table.offset > 0))
        return kept.where(np.arange(len(kept)) < self.most_notes)

    def understand(self, words: str, *, tempo_bpm: float) -> Notes:
        """Read a MIDI file."""
        return Notes(note_table(read_score(words)))


def _rows(table: NoteTable) -> Float[Tensor, "n 5"]:
    """Return onset, offset, row of the pitch, velocity and length of every note."""
    length = np.log(np.maximum(table.offset - table.onset, 0.01))
    pitch = table.pitch + DRUMS * table.is_drum
    columns = np.stack([table.onset, table.offset, pitch, table.velocity / 127.0, length], 1)
    return torch.from_numpy(columns).float()
