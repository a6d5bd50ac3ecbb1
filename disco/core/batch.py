"""What a model is fed: small frozen batches, their shapes in their types.

Letters: `b` batch, `c` channels, `t` samples, `f` frames, `k` codebooks, `s` sequence steps.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from disco.core.given import Given
from disco.errors import DiscoError

Kind = TypeVar("Kind", bound="Movable")


@dataclass(frozen=True, kw_only=True)
class Movable:
    """Moves every tensor it holds; Lightning finds `to` by its name."""

    def to(self: Kind, device: torch.device | str, **options: Any) -> Kind:
        """Return a copy whose tensors live on `device`."""
        moved = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, Tensor | Movable):
                moved[item.name] = value.to(device, **options)
        return replace(self, **moved)


@dataclass(frozen=True, kw_only=True)
class Conditions(Movable):
    """What a listener could be told before hearing the music; `None` where nothing is said.

    Attributes:
        text: one caption per item.
        tags: tag name ("rhythm", "key", "instrument", …) to one value per item.
        timing: tempo [bpm], metre [quarter notes per bar], and the position of the first
            sample since a bar line [quarter notes]; a row of NaN where unknown.
        given: "melody", "chords", "sections", "midi", "style" or "image" to one value per item.
    """

    text: Sequence[str | None]
    tags: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    timing: Float[Tensor, "b 3"] | None = None
    given: Mapping[str, Sequence[Given | None]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.text)

    def dropped(self, drop: Bool[Tensor, "b"]) -> Conditions:
        """Say nothing of the items where `drop` is true: the unconditional half of guidance.

        Timing stays: it is a clock, not a description.
        """
        tags = {name: _silenced(values, drop) for name, values in self.tags.items()}
        given = {name: _silenced(values, drop) for name, values in self.given.items()}
        return replace(self, text=_silenced(self.text, drop), tags=tags, given=given)

    def without(self, names: Collection[str], drop: Bool[Tensor, "b"]) -> Conditions:
        """Say nothing under some names ("text", "timing", a tag's, "melody" …) of the items in `drop`.

        Raises:
            DiscoError: there is no condition of that name.
        """
        known = {"text", "timing", *self.tags, *self.given}
        if unknown := sorted(set(names) - known):
            raise DiscoError(
                f"there is no condition '{unknown[0]}' here", do=f"choose from {', '.join(sorted(known))}"
            )
        timing = self.timing
        if timing is not None and "timing" in names:
            timing = timing.masked_fill(drop.to(timing.device)[:, None], torch.nan)
        tags, given = (
            {name: _silenced(values, drop) if name in names else values for name, values in each.items()}
            for each in (self.tags, self.given)
        )
        text = _silenced(self.text, drop) if "text" in names else self.text
        return replace(self, text=text, tags=tags, timing=timing, given=given)

    def later(self, seconds: float) -> Conditions:
        """Return what is known `seconds` further on: the clock has moved, and what is given with it."""
        if seconds == 0:
            return self
        given = {
            name: tuple(None if one is None else one.later(seconds) for one in values)
            for name, values in self.given.items()
        }
        timing = self.timing
        if timing is not None:
            timing = timing.clone()
            timing[:, 2] += seconds * timing[:, 0] / 60
        return replace(self, timing=timing, given=given)

    def silent(self) -> Conditions:
        """Say nothing of any item."""
        return self.dropped(torch.ones(len(self), dtype=torch.bool))

    def rows(self, order: Sequence[int]) -> Conditions:
        """Pick items by index, in that order (repeats allowed)."""
        return replace(
            self,
            text=tuple(self.text[i] for i in order),
            tags={name: tuple(values[i] for i in order) for name, values in self.tags.items()},
            timing=None if self.timing is None else self.timing[list(order)],
            given={name: tuple(values[i] for i in order) for name, values in self.given.items()},
        )


def _silenced(values: Sequence[Any], drop: Bool[Tensor, "b"]) -> tuple[Any, ...]:
    return tuple(None if off else value for value, off in zip(values, drop.tolist(), strict=True))


@dataclass(frozen=True, kw_only=True)
class AudioBatch(Movable):
    """Waveforms in [-1, 1]; `valid` counts the samples of each item before its padding."""

    wave: Float[Tensor, "b c t"]
    valid: Int[Tensor, "b"]
    rate: int
    conditions: Conditions

    def __len__(self) -> int:
        return len(self.wave)


@dataclass(frozen=True, kw_only=True)
class CodeBatch(Movable):
    """Codec tokens; `valid` counts the frames of each item before its padding."""

    codes: Int[Tensor, "b k f"]
    valid: Int[Tensor, "b"]
    conditions: Conditions

    def __len__(self) -> int:
        return len(self.codes)


@dataclass(frozen=True, kw_only=True)
class ScoreBatch(Movable):
    """Score tokens; `valid` counts the tokens of each item before its padding."""

    tokens: Int[Tensor, "b s"]
    valid: Int[Tensor, "b"]
    conditions: Conditions

    def __len__(self) -> int:
        return len(self.tokens)


Batch = AudioBatch | CodeBatch | ScoreBatch
