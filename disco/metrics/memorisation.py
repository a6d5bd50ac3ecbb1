"""Is it new, or a passage that the model has learnt by heart?"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int

from disco.core.metric import CURVE_RATE, Take
from disco.core.ranges import PositiveFloat, PositiveInt
from disco.metrics.hearing import chroma_of
from disco.metrics.training import Match, Nearest

PRINT_RATE = 5.0  # moments per second at which pitch classes are compared
_BLOCK = 1 << 16  # moments compared at once


@dataclass(frozen=True, eq=False)
class Library:
    """All training pieces in a row, with `passage` moments of silence after each."""

    prints: Float[np.ndarray, "n 12"]
    starts: Int[np.ndarray, " p"]
    names: tuple[str | None, ...]


class Memorisation(Nearest):
    """Likeness by pitch classes: finds copied melody and harmony through other sounds, keys and levels.

    Windows of `seconds` of the take are laid on every moment of the training data; likeness is the largest
    cosine of the centred pitch classes. `transpose` also tries all twelve keys, which takes twelve times as
    long. A change of tempo hides a copy.

    Args:
        seconds: of the window: shorter ones find stock phrases, longer ones only whole copies.
        transpose: find copies in other keys.
        root: folder of the training data; None where `learn` is called.
        most: training pieces to study at most.
    """

    def __init__(
        self, *, seconds: PositiveFloat, transpose: bool, root: str | None, most: PositiveInt
    ) -> None:
        super().__init__(root=root, most=most)
        self.passage = max(2, round(seconds * PRINT_RATE))
        self.turns = range(12 if transpose else 1)

    def study(self, training: Iterable[Take]) -> Library:
        """Take the prints of all training pieces."""
        parts, names, starts = [], [], []
        length = 0
        for take in training:
            here = fingerprint(take)
            names.append(take.name)
            starts.append(length)
            parts += [here, np.zeros((self.passage, 12), dtype=np.float32)]
            length += len(here) + self.passage
        return Library(np.concatenate(parts), np.array(starts, dtype=np.int64), tuple(names))

    def nearest(self, take: Take, side: str) -> Match:
        """Slide every window of a take over the training data."""
        library: Library = self.learnt
        here = fingerprint(take)
        passage = min(self.passage, len(here))
        starts = {*range(0, len(here) - passage + 1, max(1, passage // 2)), len(here) - passage}
        best, where, begin = 0.0, 0, 0
        for start in sorted(starts):
            for turn in self.turns:
                likeness, place = best_place(
                    library.prints, np.roll(here[start : start + passage], turn, axis=1)
                )
                if likeness > best:
                    best, where, begin = likeness, place, start
        piece = int(np.searchsorted(library.starts, where, side="right")) - 1
        return Match(
            side=side,
            name=take.name,
            likeness=best,
            source=library.names[piece],
            at=(where - int(library.starts[piece])) / PRINT_RATE,
            here=begin / PRINT_RATE,
            seconds=passage / PRINT_RATE,
        )


def fingerprint(take: Take) -> Float[np.ndarray, "n 12"]:
    """Return the pitch classes of each fifth of a second, less their mean: noise and silence say little."""
    chroma = chroma_of(take)
    count = max(1, int(take.length * PRINT_RATE))
    edges = np.minimum((np.arange(count + 1) * CURVE_RATE / PRINT_RATE).astype(np.int64), len(chroma) - 1)
    rows = np.stack([chroma[a : max(a + 1, b)].mean(0) for a, b in pairwise(edges)])
    return (rows - rows.mean(1, keepdims=True)).astype(np.float32)


def best_place(prints: Float[np.ndarray, "n 12"], window: Float[np.ndarray, "m 12"]) -> tuple[float, int]:
    """Return the largest cosine of a window with as many successive rows, at least 0, and their first row."""
    size = float(np.linalg.norm(window))
    if len(prints) < len(window) or size < 1e-6:
        return 0.0, 0
    best, where = 0.0, 0
    for first in range(0, len(prints) - len(window) + 1, _BLOCK):
        block = prints[first : first + _BLOCK + len(window) - 1]
        energy = np.concatenate([[0.0], np.cumsum(np.square(block, dtype=np.float64).sum(1))])
        norms = np.sqrt(np.maximum(energy[len(window) :] - energy[: -len(window)], 1e-9))
        # Row m of the window against every row m later: a few long products instead of many short ones.
        products = block @ window.T
        count = len(block) - len(window) + 1
        together = np.zeros(count)
        for offset in range(len(window)):
            together += products[offset : offset + count, offset]
        likeness = together / (norms * size)
        place = int(likeness.argmax())
        if likeness[place] > best:
            best, where = float(likeness[place]), first + place
    return min(1.0, best), where
