"""Did a model over codec tokens write down what it was taught, token for token?"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Int

from disco.core.contracts import Codec
from disco.core.metric import Take, average
from disco.core.ranges import PositiveInt
from disco.errors import DiscoError
from disco.metrics.training import Match, Nearest

_END = -1  # after each training piece; no token


@dataclass(frozen=True, eq=False)
class TokenLibrary:
    """The coarsest tokens of all training pieces in a row, `_END` after each."""

    tokens: Int[np.ndarray, " n"]
    starts: Int[np.ndarray, " p"]
    names: tuple[str | None, ...]


@dataclass(frozen=True)
class TokenMatch(Match):
    """A match whose likeness is the longest common run; `edits` compares the whole take with that place."""

    edits: float


class CopiedTokens(Nearest):
    """The longest run of first-codebook tokens that also stands in the training data, as a share of the take.

    Beside the values of `Nearest`, `edit_similarity` is 1 minus the edit distance of the whole take to the
    training passage around that run, over its length: copies with changes here and there show in it.
    Takes carry their tokens; `with_codes` gives them to real music.

    Args:
        root: folder of the training data, for who gives its pieces tokens and calls `learn`.
        most: training pieces to study at most.
    """

    higher_is_better: ClassVar[Mapping[str, bool | None]] = {
        **Nearest.higher_is_better,
        "edit_similarity": False,
    }

    def __init__(self, *, root: str | None, most: PositiveInt) -> None:
        super().__init__(root=root, most=most)

    def study(self, training: Iterable[Take]) -> TokenLibrary:
        """Lay the tokens of the training pieces in a row."""
        parts, names, starts = [], [], []
        length = 0
        for number, take in enumerate(training):
            if number == self.most:
                break
            tokens = coarse(take)
            names.append(take.name)
            starts.append(length)
            parts += [tokens, np.array([_END])]
            length += len(tokens) + 1
        return TokenLibrary(np.concatenate(parts), np.array(starts, dtype=np.int64), tuple(names))

    def nearest(self, take: Take, side: str) -> TokenMatch:
        """Find the longest run that a take shares with the training data."""
        library: TokenLibrary = self.learnt
        tokens = coarse(take)
        length, mine, theirs = longest_run(tokens, library.tokens)
        piece = int(np.searchsorted(library.starts, theirs, side="right")) - 1
        first = int(library.starts[piece])
        last = int(np.append(library.starts, len(library.tokens))[piece + 1]) - 1
        start = max(first, theirs - mine)
        frame = take.length / len(tokens)
        passage = library.tokens[start : min(last, theirs - mine + len(tokens))]
        return TokenMatch(
            side=side,
            name=take.name,
            likeness=length / len(tokens),
            source=library.names[piece],
            at=(theirs - first) * frame,
            here=mine * frame,
            seconds=length * frame,
            edits=1.0 - edit_distance(tokens, passage) / max(len(tokens), len(passage)),
        )

    def summarise(self, rows: Sequence[Match]) -> dict[str, float]:
        """Stand the made takes among the held-out ones."""
        edits = [match.edits for match in rows if isinstance(match, TokenMatch) and match.side == "made"]
        return {**super().summarise(rows), "edit_similarity": average(edits)}


def coarse(take: Take) -> Int[np.ndarray, " f"]:
    """Return the tokens of the first codebook, which decide what is heard.

    Raises:
        DiscoError: the take has none.
    """
    if take.codes is None or not take.codes.shape[1]:
        raise DiscoError(
            "copied_tokens compares tokens, and a take has none", do="measure a model over codec tokens"
        )
    return take.codes[0].astype(np.int64)


def with_codes(take: Take, codec: Codec) -> Take:
    """Give a take the tokens that a codec makes of its sound."""
    wave = take.sound.resampled(codec.rate).mono().wave.expand(codec.channels, -1)
    with torch.no_grad():
        return replace(take, codes=codec.encode(wave[None])[0].cpu().numpy())


def longest_run(a: Int[np.ndarray, " n"], b: Int[np.ndarray, " m"]) -> tuple[int, int, int]:
    """Return the length of the longest common run, and where it begins in both; the first of equal ones."""
    run = np.zeros(len(b), dtype=np.int32)
    best = (0, 0, 0)
    for index, token in enumerate(a):
        run[1:] = run[:-1].copy()
        run[:1] = 0
        run = np.where(b == token, run + 1, 0).astype(np.int32)
        place = int(run.argmax()) if len(run) else 0
        if len(run) and run[place] > best[0]:
            length = int(run[place])
            best = (length, index - length + 1, place - length + 1)
    return best


def edit_distance(a: Int[np.ndarray, " n"], b: Int[np.ndarray, " m"]) -> int:
    """Return how many tokens must be put in, taken out or changed (Levenshtein 1966)."""
    row = np.arange(len(b) + 1)
    place = np.arange(len(b) + 1)
    for index, token in enumerate(a, 1):
        changed = np.minimum(row[1:] + 1, row[:-1] + (b != token))
        below = np.concatenate([[index], changed])
        row = np.minimum.accumulate(below - place) + place  # putting in: from any place to the left
    return int(row[-1])
