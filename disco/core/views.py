"""How a model wants to see the music: it says so once, the data module serves it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from disco.core.contracts import Codec, Tokenizer


@dataclass(frozen=True)
class AudioView:
    """Waveform crops of `seconds` at `rate` Hz; `wants` of these in every view: see `Conditions.given`."""

    rate: int
    channels: int
    seconds: float
    wants: tuple[str, ...] = ()


@dataclass(frozen=True)
class CodeView:
    """Crops of codec tokens, `seconds` long, beginning on a bar line where bars are known."""

    codec: Codec
    seconds: float
    wants: tuple[str, ...] = ()


@dataclass(frozen=True)
class ScoreView:
    """Runs of `length` score tokens."""

    tokenizer: Tokenizer
    length: int
    wants: tuple[str, ...] = ()


View = AudioView | CodeView | ScoreView
