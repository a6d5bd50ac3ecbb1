"""Tables of names that are read in both directions: ours ↔ another library's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from disco.errors import DiscoError

LAYER, CODEBOOK = "{layer}", "{codebook}"


@dataclass(frozen=True)
class KeyMap:
    """Which of our tensors is which of theirs.

    Attributes:
        library: whose names they are, as a sentence calls it.
        rows: our names to theirs. `{layer}` stands for the number of a layer and makes a row for each.
            Where several names stand on a side, parted by spaces or made by `{codebook}`, their tensors lie
            on top of one another in equal parts, and the left pile is the right pile.
        left_out: regex of names of theirs that are no part of the model here.
    """

    library: str
    rows: Mapping[str, str]
    left_out: str

    def to_ours(self, theirs: Mapping[str, Tensor], codebooks: int) -> dict[str, Tensor]:
        """Rename, stack and split what another library saved.

        Raises:
            DiscoError: names of theirs that are missing, or that have no place here.
        """
        kept = {name: value for name, value in theirs.items() if not re.match(self.left_out, name)}
        return self._translated(kept, [(right, left) for left, right in self.rows.items()], codebooks)

    def to_theirs(self, ours: Mapping[str, Tensor], codebooks: int) -> dict[str, Tensor]:
        """The other way round.

        Raises:
            DiscoError: names of ours that have no place there.
        """
        return self._translated(ours, list(self.rows.items()), codebooks)

    def module(self, name: str) -> str | None:
        """Return what a submodule of ours is called there; None where it is a part or a stack of theirs."""
        for left, right in self.rows.items():
            if " " in left or CODEBOOK in right or not left.endswith(".weight"):
                continue
            found = re.fullmatch(_pattern(left.removesuffix(".weight")), name)
            if found:
                return right.removesuffix(".weight").replace(LAYER, found.groupdict().get("layer", ""))
        return None

    def _translated(
        self, state: Mapping[str, Tensor], rows: Sequence[tuple[str, str]], codebooks: int
    ) -> dict[str, Tensor]:
        made: dict[str, Tensor] = {}
        used: set[str] = set()
        for source, target in rows:
            for layer in _layers(source, state):
                sources, targets = (_names(side, layer, codebooks) for side in (source, target))
                if missing := [name for name in sources if name not in state]:
                    if len(missing) < len(sources):
                        raise self._refusal("lacks", missing)
                    continue  # a part that this model does not have; loading is strict about its own
                stacked = torch.cat([state[name] for name in sources])
                made.update(zip(targets, stacked.chunk(len(targets)), strict=True))
                used.update(sources)
        if unknown := sorted(set(state) - used):
            raise self._refusal("has no place for", unknown)
        return made

    def _refusal(self, what: str, names: Sequence[str]) -> DiscoError:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        return DiscoError(
            f"between this model and {self.library}'s, the table of names {what} {', '.join(names[:3])}{more}"
        )


def _names(side: str, layer: str | None, codebooks: int) -> list[str]:
    names = side if layer is None else side.replace(LAYER, layer)
    each = range(codebooks) if CODEBOOK in names else range(1)
    return [name.replace(CODEBOOK, str(number)) for number in each for name in names.split()]


def _layers(side: str, state: Iterable[str]) -> list[str | None]:
    """Return the numbers of the layers that a row finds among some names."""
    if LAYER not in side:
        return [None]
    pattern = re.compile("|".join(_pattern(name) for name in side.split()[:1]))
    found = {match["layer"] for name in state if (match := pattern.fullmatch(name))}
    return sorted(found, key=int)


def _pattern(name: str) -> str:
    return re.escape(name).replace(re.escape(LAYER), r"(?P<layer>\d+)").replace(re.escape(CODEBOOK), r"\d+")
