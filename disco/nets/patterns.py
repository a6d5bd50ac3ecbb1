"""In which order the codebooks of a frame are predicted: index tables and their use.

A pattern says which (codebook, frame) stands at which step. Step 0 holds nothing but the special
token, so that the first real step has something to be predicted from (Copet et al. 2023, section 2.2).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

NOTHING = -1


@dataclass(frozen=True, eq=False)
class Layout:
    """A pattern worked out for a number of codebooks and frames.

    Attributes:
        frame: the frame of each codebook at each step, -1 where there is none.
        step: the step of each codebook and frame.
    """

    frame: Int[Tensor, "k s"]
    step: Int[Tensor, "k f"]

    @property
    def newest(self) -> Int[Tensor, "s"]:
        """The newest frame that stands at each step, 0 at step 0."""
        return self.frame.amax(0).clamp(min=0)

    @property
    def ready(self) -> Int[Tensor, "f"]:
        """The step after which each frame and all before it are whole."""
        return self.step.amax(0).cummax(0).values

    def lay_out(self, codes: Int[Tensor, "b k f"], special: int) -> Int[Tensor, "b k s"]:
        """Put frames where the pattern wants them, `special` everywhere else."""
        filled = torch.nn.functional.pad(codes, (0, 1), value=special)
        index = torch.where(self.frame < 0, codes.shape[-1], self.frame).to(codes.device)
        return filled.gather(-1, index.expand(len(codes), -1, -1))

    def gather(self, steps: Int[Tensor, "b k s"]) -> Int[Tensor, "b k f"]:
        """Read the frames back out of the steps."""
        return steps.gather(-1, self.step.to(steps.device).expand(len(steps), -1, -1))

    def places(self) -> list[slice | Int[Tensor, "f"]]:
        """Return for each codebook at which places its frames are predicted: one before their own steps.

        Places that follow one another are a slice, which is cheaper to read.
        """
        found: list[slice | Tensor] = []
        for row in self.step - 1:
            first, count = int(row[0]), len(row)
            in_turn = torch.equal(row, first + torch.arange(count, device=row.device))
            found.append(slice(first, first + count) if in_turn else row)
        return found

    def valid(self, frames: Int[Tensor, "b"]) -> Bool[Tensor, "b k s"]:
        """Tell where a step holds a frame before the end of its item."""
        frame = self.frame.to(frames.device)
        return (frame >= 0) & (frame < frames[:, None, None])


class Picked(torch.autograd.Function):
    """Values `[b, k, s, v]` at the places of each codebook, `[b, k, f, v]`.

    Plain indexing would make two arrays of the size of the logits in the backward pass; this makes one.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, places: list[slice | Tensor]) -> Tensor:
        """Pick; every place is picked at most once."""
        ctx.shape, ctx.places = values.shape, places
        return torch.stack([row[:, at] for row, at in zip(values.unbind(1), places, strict=True)], 1)

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Put the gradients back in their places."""
        batch, codebooks, steps, width = ctx.shape
        gradient = outer.new_zeros(batch, steps, codebooks, width)  # in the order of the head's output
        for k, at in enumerate(ctx.places):
            gradient[:, at, k] = outer[:, k]
        return gradient.transpose(1, 2), None


class Pattern(ABC):
    """The order of prediction, for any number of codebooks and frames."""

    @abstractmethod
    def steps(self, num_codebooks: int, frames: int) -> Int[Tensor, "k f"]:
        """Return the step of each codebook and frame, counted from 1."""

    def for_codec(self, delays: Sequence[int] | None) -> "Pattern":
        """Return the pattern with the delays of a codec, where it leaves them open."""
        return self

    def layout(self, num_codebooks: int, frames: int) -> Layout:
        """Work the pattern out; the tables are kept for the next call."""
        return _layout(self, num_codebooks, frames)


@lru_cache(maxsize=64)
def _layout(pattern: Pattern, num_codebooks: int, frames: int) -> Layout:
    step = pattern.steps(num_codebooks, frames)
    frame = torch.full((num_codebooks, int(step.max()) + 1), NOTHING)
    frame.scatter_(1, step, _count(frames).expand(num_codebooks, -1))
    return Layout(frame=frame, step=step)


def _count(number: int) -> Int[Tensor, "n"]:
    """Count from 0 on the CPU, whatever device a model is being built on: the tables are kept."""
    return torch.arange(number, device="cpu")


class Delay(Pattern):
    """All codebooks advance together, each behind by its delay: MusicGen's pattern.

    Args:
        delays: steps behind, one per codebook; None takes the codec's, which are 0, 1, 2 and so on, or,
            where it interleaves left and right, 0, 0, 1, 1, …
    """

    def __init__(self, *, delays: Sequence[int] | None) -> None:
        if delays is not None and (not delays or min(delays) < 0):
            raise ValueError(f"delays are counts of steps, got {list(delays)}")
        self.delays = None if delays is None else tuple(delays)

    def for_codec(self, delays: Sequence[int] | None) -> "Pattern":
        """Return the pattern with the delays of a codec, where it leaves them open."""
        return self if self.delays is not None or delays is None else Delay(delays=delays)

    def steps(self, num_codebooks: int, frames: int) -> Int[Tensor, "k f"]:
        """Return the step of each codebook and frame, counted from 1.

        Raises:
            ValueError: the delays are not one per codebook.
        """
        delays = tuple(range(num_codebooks)) if self.delays is None else self.delays
        if len(delays) != num_codebooks:
            raise ValueError(f"{len(delays)} delays for {num_codebooks} codebooks")
        return 1 + _count(frames) + torch.tensor(delays, device="cpu")[:, None]


class Parallel(Pattern):
    """All codebooks of a frame at one step, blind to each other: fast and rough."""

    def steps(self, num_codebooks: int, frames: int) -> Int[Tensor, "k f"]:
        """Return the step of each codebook and frame, counted from 1."""
        return 1 + _count(frames).repeat(num_codebooks, 1)


class Flatten(Pattern):
    """One codebook per step, frame after frame: exact and `k` times as long."""

    def steps(self, num_codebooks: int, frames: int) -> Int[Tensor, "k f"]:
        """Return the step of each codebook and frame, counted from 1."""
        return 1 + _count(frames) * num_codebooks + _count(num_codebooks)[:, None]


class CoarseFirst(Pattern):
    """The whole of codebook 0, then all the others together: a sketch first, then its detail.

    Args:
        delays: steps behind among the others, one per codebook after the first; None delays none.
    """

    def __init__(self, *, delays: Sequence[int] | None) -> None:
        self.delays = None if delays is None else tuple(delays)

    def steps(self, num_codebooks: int, frames: int) -> Int[Tensor, "k f"]:
        """Return the step of each codebook and frame, counted from 1.

        Raises:
            ValueError: the delays are not one per codebook after the first.
        """
        delays = (0,) * (num_codebooks - 1) if self.delays is None else self.delays
        if len(delays) != num_codebooks - 1:
            raise ValueError(f"{len(delays)} delays for the {num_codebooks - 1} codebooks after the first")
        starts = torch.tensor([0, *(frames + delay for delay in delays)], device="cpu")
        return 1 + _count(frames) + starts[:, None]
