"""Preparation in one pass: a file streams through stages, and what they find is noted."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, kw_only=True)
class Source:
    """One file of raw material.

    Attributes:
        name: its path below the source folder, with forward slashes: what people are told.
        key: the first 16 hex digits of the SHA-256 of its bytes; names everything made from it.
        rate: Hz; channels, frames: as its header says.
    """

    path: Path
    name: str
    key: str
    rate: int
    channels: int
    frames: int


@dataclass(frozen=True)
class Problem:
    """Something wrong with a file.

    Attributes:
        code: a word that tables count by: `clipping`, `dc_offset`, `hum`, `silent`, ….
        reason: a sentence without the file's name; cure: what its owner can do.
        verdict: `refuse` leaves the file out, `warn` only tells.
    """

    code: str
    reason: str
    cure: str
    verdict: Literal["refuse", "warn"]


@dataclass(kw_only=True)
class Notes:
    """What is known of one file; every stage adds to it.

    Attributes:
        rate: Hz; channels: of the stream as the stages opened so far leave it.
        seconds: length of the stored sound; known once it has run through.
        fields: values for fields of the record by name (`tempo`, `key`, …), and `provenance` of
            each: `analysis:<stage>`.
        features: numbers for the record's `features`.
        curves: arrays `[frames]` or `[frames, bins]`, `curve_rate` frames per second from second 0.
        gain_db: what the loader applies to reach the asked loudness.
        kept: (start, end) in seconds of the stored sound that is music; None for all.
        segments: (start, end) in seconds of the stored sound; empty for one that is all of `kept`.
        fade_seconds: faded in and out at the edges of what is cut out.
        bits: of a stored sample.
    """

    source: Source
    rate: int
    channels: int
    seconds: float = 0.0
    fields: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, str] = field(default_factory=dict)
    features: dict[str, float] = field(default_factory=dict)
    curves: dict[str, np.ndarray] = field(default_factory=dict)
    curve_rate: float = 0.0
    gain_db: float = 0.0
    kept: tuple[float, float] | None = None
    segments: list[tuple[float, float]] = field(default_factory=list)
    fade_seconds: float = 0.0
    bits: Literal[16, 24] = 16
    problems: list[Problem] = field(default_factory=list)

    @property
    def span(self) -> tuple[float, float]:
        """Where the music is, in seconds."""
        return self.kept or (0.0, self.seconds)

    def tell(self, stage: str, **values: Any) -> None:
        """Set fields of the record, with the stage as their provenance."""
        self.fields |= values
        self.provenance |= dict.fromkeys(values, f"analysis:{stage}")


@runtime_checkable
class Tap(Protocol):
    """A stage at work on one stream, in blocks of float32 at full scale ±1."""

    def push(self, block: Float[np.ndarray, "c t"]) -> Float[np.ndarray, "c2 t2"]:
        """Take a block and hand on what is ready: the block itself where the stage only watches."""
        ...

    def flush(self) -> Float[np.ndarray, "c2 t2"]:
        """Hand on the rest at the end of the stream, `[c, 0]` where there is none."""
        ...


class Stage:
    """One step of preparation. Stages run in the order of the config; each may do two things.

    A stage is pickled into worker processes that have no torch, so its module imports none. Its public
    attributes and `revision` go into the key under which results are kept.
    """

    revision: ClassVar[int] = 1

    def open(self, notes: Notes) -> Tap | None:
        """Return a tap for the stream that begins, or None; a tap that changes rate or channels notes it."""
        return None

    def conclude(self, notes: Notes) -> None:
        """Read and add to the notes once the whole stream has passed, in the order of the stages."""
