"""What may be told of a piece beyond words: a melody, chords, sections, notes, a sound, a picture.

Times are seconds from the first sample of the piece; `later` lets the piece begin further on.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from disco.audio.clip import Clip
from disco.midi.score import NoteTable

NO_PITCH = -1


class Given:
    """One condition of one piece; by itself it holds from the beginning to the end."""

    def later(self, seconds: float) -> Given:
        """Return what is known of the piece `seconds` further on."""
        return self


@dataclass(frozen=True, eq=False)
class Melody(Given):
    """Which pitch class leads in each frame, 0 for C to 11 for B, `NO_PITCH` where none does.

    Attributes:
        rate: frames per second; start: of the first frame.
    """

    classes: Int[np.ndarray, " f"]
    rate: float
    start: float = 0.0

    def later(self, seconds: float) -> Melody:
        """Let the piece begin further on."""
        return replace(self, start=self.start - seconds)

    def at(self, seconds: Float[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
        """Return what leads at some moments; outside of what is known, nothing."""
        frames = np.floor((seconds - self.start) * self.rate + 1e-6).astype(np.int64)
        known = (frames >= 0) & (frames < len(self.classes))
        return np.where(known, np.append(self.classes, NO_PITCH)[np.where(known, frames, -1)], NO_PITCH)


@dataclass(frozen=True)
class Labels(Given):
    """A name from each start on, until the next one or the `end`: chords, sections.

    Raises:
        ValueError: starts that do not rise, or not one for each name.
    """

    starts: tuple[float, ...]
    names: tuple[str, ...]
    end: float

    def __post_init__(self) -> None:
        if len(self.starts) != len(self.names):
            raise ValueError(f"{len(self.starts)} starts for {len(self.names)} names")
        if any(a >= b for a, b in zip(self.starts, (*self.starts[1:], self.end), strict=True)):
            raise ValueError(f"the starts {self.starts} do not rise up to the end {self.end}")

    @classmethod
    def in_turn(cls, named: Sequence[tuple[str, float]]) -> Labels:
        """Return names that hold one after the other, each for so many seconds."""
        ends = np.cumsum([seconds for _, seconds in named]).tolist()
        return cls((0.0, *ends[:-1]), tuple(name for name, _ in named), ends[-1])

    def later(self, seconds: float) -> Labels:
        """Let the piece begin further on."""
        return replace(self, starts=tuple(one - seconds for one in self.starts), end=self.end - seconds)

    def span(self, seconds: float) -> tuple[str, float, float] | None:
        """Return the name that holds at a moment, from when and until when; None outside of what is known."""
        place = bisect_right(self.starts, seconds) - 1
        if place < 0 or seconds >= self.end:
            return None
        return self.names[place], self.starts[place], (*self.starts, self.end)[place + 1]

    def at(self, seconds: float) -> str | None:
        """Return the name that holds at a moment; None outside of what is known."""
        found = self.span(seconds)
        return None if found is None else found[0]


@dataclass(frozen=True, eq=False)
class Notes(Given):
    """The notes of the piece."""

    table: NoteTable

    def later(self, seconds: float) -> Notes:
        """Let the piece begin further on; what has ended by then is gone."""
        moved = replace(self.table, onset=self.table.onset - seconds, offset=self.table.offset - seconds)
        return Notes(moved.where(moved.offset > 0))


@dataclass(frozen=True, eq=False)
class Excerpt(Given):
    """A few seconds of sound that the piece should be like."""

    clip: Clip


@dataclass(frozen=True, eq=False)
class Picture(Given):
    """Red, green and blue from 0 to 1."""

    pixels: Float[Tensor, "3 h w"]
