"""The small contracts by which features meet without importing one another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from disco.core.batch import Conditions
from disco.core.given import Given
from disco.core.ranges import NaturalFloat, NaturalInt, Share
from disco.nets.guidance import Guidance, Plain

if TYPE_CHECKING:
    from disco.core.module import GenerativeModule
    from disco.core.record import Record
    from disco.midi.score import Score


@runtime_checkable
class Codec(Protocol):
    """Audio to tokens and back.

    Attributes:
        rate: Hz; channels: of the audio; hop: samples per frame;
        num_codebooks: tokens per frame; cardinality: entries per codebook;
        fingerprint: changes when the weights do; keys of token caches.
    """

    rate: int
    channels: int
    hop: int
    num_codebooks: int
    cardinality: int
    fingerprint: str

    def encode(self, wave: Float[Tensor, "b c t"]) -> Int[Tensor, "b k f"]:
        """Return `ceil(t / hop)` frames of tokens."""
        ...

    def decode(self, codes: Int[Tensor, "b k f"]) -> Float[Tensor, "b c t"]:
        """Return `f * hop` samples."""
        ...


@runtime_checkable
class Tokenizer(Protocol):
    """Scores to tokens and back."""

    vocabulary: int
    pad: int
    bos: int
    eos: int
    pitches: range
    fingerprint: str

    def encode(self, score: Score) -> list[int]:
        """Return the tokens of a score, without BOS and EOS."""
        ...

    def decode(self, tokens: Sequence[int]) -> Score:
        """Return the score; tokens that make no sense where they stand are passed over."""
        ...

    def begun_quarters(self, tokens: Sequence[int]) -> float:
        """Return the quarter notes before the last bar line: how far the music has surely come."""
        ...


@dataclass(frozen=True)
class Context:
    """Conditions as a transformer reads them.

    Attributes:
        cross: what to attend to, and `cross_mask`, true where it counts;
        added: a vector per frame, added to the input;
        prefix: what stands before the first step, and `prefix_mask`, true where it counts;
        film: a scale, less one, and a shift for the output of each layer.
    """

    cross: Float[Tensor, "b n d"] | None = None
    cross_mask: Bool[Tensor, "b n"] | None = None
    added: Float[Tensor, "b f d"] | None = None
    prefix: Float[Tensor, "b m d"] | None = None
    prefix_mask: Bool[Tensor, "b m"] | None = None
    film: Float[Tensor, "b l 2 d"] | None = None


class Conditioner(nn.Module):
    """Turns one kind of condition into vectors of the model's width.

    A conditioner is built knowing `width`; it answers for `frames` frames at `frame_rate` per second.

    Attributes:
        reads: fields of a record without which it has nothing to say.
        hears: the name in `Conditions.given` that it listens to, if it does.
    """

    reads: ClassVar[tuple[str, ...]] = ()
    hears: ClassVar[str | None] = None

    def forward(self, conditions: Conditions, frames: int, frame_rate: float) -> Context:
        """Return its part of the context."""
        raise NotImplementedError

    def understand(self, words: str, *, tempo_bpm: float) -> Given:
        """Read what somebody gives under the name that it hears: a file, or a line of text.

        Raises:
            DiscoError: it cannot be read.
        """
        raise NotImplementedError


@runtime_checkable
class Recipe(Protocol):
    """How weights move: an optimiser and its schedule over a known number of steps."""

    clip_norm: float

    def build(
        self, module: nn.Module, total_steps: int
    ) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
        """Return the optimiser over the parameters that require gradients, and its schedule per step."""
        ...


@runtime_checkable
class Adapter(Protocol):
    """Which weights move."""

    needs_base: bool
    mergeable: bool

    def attach(self, module: GenerativeModule) -> None:
        """Freeze and insert; runs after weights are loaded."""
        ...

    def merge(self, module: GenerativeModule) -> None:
        """Fold what was learned into the base."""
        ...

    def strengthen(self, strength: float) -> None:
        """Set how much of what was inserted is heard, where it cannot be folded: 0 nothing, 1 as learnt."""
        ...

    def description(self) -> Mapping[str, Any]:
        """Return what `adapter_config.json` says."""
        ...


@runtime_checkable
class Weights(Protocol):
    """Where a model starts."""

    def load(self, module: GenerativeModule) -> None:
        """Fill in the weights; refuses names or shapes that do not match."""
        ...


class WaveAugment(ABC):
    """Varies one waveform; the identity at zero strength."""

    @abstractmethod
    def __call__(self, wave: Float[Tensor, "c t"], generator: torch.Generator) -> Float[Tensor, "c t"]:
        """Return the waveform, varied, with the same shape."""


class ScoreAugment(ABC):
    """Varies the tokens of one score; the identity at zero strength."""

    @abstractmethod
    def __call__(
        self, tokens: Int[Tensor, "s"], generator: torch.Generator, pitches: range
    ) -> Int[Tensor, "s"]:
        """Return the tokens, varied; `pitches` are the ids that stand for pitches, semitone by semitone."""


class PairAugment(ABC):
    """Makes one waveform of two, now and then, and one caption of theirs."""

    @abstractmethod
    def wanted(self, generator: torch.Generator) -> bool:
        """Draw whether this example takes another one in."""

    @abstractmethod
    def __call__(
        self, wave: Float[Tensor, "c t"], other: Float[Tensor, "c u"], generator: torch.Generator
    ) -> Float[Tensor, "c t"]:
        """Return the first with the second in it, as long as the first."""

    @abstractmethod
    def caption(self, one: str | None, other: str | None) -> str | None:
        """Return what is said of both."""


class WordAugment(ABC):
    """Tells a piece in other words."""

    @abstractmethod
    def __call__(self, record: Record, generator: torch.Generator) -> str | None:
        """Return the caption that a piece is told by this time."""


Augment = WaveAugment | ScoreAugment | PairAugment | WordAugment


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """How tokens are drawn.

    Attributes:
        temperature: 0 is greedy; top_k: 0 keeps all; top_p: 1 keeps all;
        guidance: 1 is the conditional model, 0 the unconditional one;
        guided: other guidance than that;
        memory: beyond the length that a model was trained on, the share of it that is heard again.
    """

    temperature: NaturalFloat = 1.0
    top_k: NaturalInt = 0
    top_p: Share = 1.0
    guidance: NaturalFloat = 1.0
    guided: Guidance | None = None
    memory: Share = 0.4  # 12 s of 30 s, as MusicGen was published

    @property
    def guide(self) -> Guidance:
        """How the passes of the model are joined."""
        return self.guided or Guidance(Plain(weight=self.guidance))


Seed = int | Sequence[int]


def generators(seed: Seed, count: int) -> list[torch.Generator]:
    """Return one generator per item: of one seed by its place, of a seed per item by that alone.

    Item i of a list of seeds is the first item of its own seed.

    Raises:
        ValueError: not as many seeds as items.
    """
    if isinstance(seed, int):
        return [seeded(seed, place) for place in range(count)]
    if len(seed) != count:
        raise ValueError(f"{len(seed)} seeds for {count} items")
    return [seeded(one, 0) for one in seed]


def seeded(*keys: int) -> torch.Generator:
    """Return a generator that depends on every key, on the CPU."""
    state = 0x9E3779B97F4A7C15
    for key in keys:
        state = (state ^ (key + 0x9E3779B9 + (state << 6) + (state >> 2))) & 0x7FFFFFFFFFFFFFFF
    return torch.Generator().manual_seed(state)
