"""Measures that must know what a model was trained on."""

import hashlib
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from disco.audio.io import read_clip
from disco.core.files import file_hash
from disco.core.metric import Asked, Metric, Take, average
from disco.core.record import MANIFEST, Record, read_manifest
from disco.errors import DiscoError


class Studied(Metric):
    """A metric that studies the training data before it measures: given by `learn`, else read from `root`.

    Args:
        root: folder of the data set the model was trained on; None where `learn` is called instead.
        most: pieces to study, spread evenly over the training split.
    """

    def __init__(self, *, root: str | None, most: int) -> None:
        super().__init__()
        self.root = root
        self.most = most
        self._learnt: Any = None

    def learn(self, training: Iterable[Take]) -> None:
        """Study these takes; one at a time is held in memory."""
        self._learnt = self.study(training)

    @property
    def learnt(self) -> Any:
        """What `study` returned.

        Raises:
            DiscoError: nothing was learnt, and there is no `root` to learn from.
        """
        if self._learnt is None:
            if self.root is None:
                raise DiscoError(
                    f"{type(self).__name__} must know what the model was trained on",
                    do="give its root=<data>",
                )
            self.learn(training_takes(Path(self.root), self.most))
        return self._learnt

    @learnt.setter
    def learnt(self, learnt: Any) -> None:
        """Take over what another one with the same settings studied."""
        self._learnt = learnt

    @abstractmethod
    def study(self, training: Iterable[Take]) -> Any:
        """Reduce the training takes to what `measure` looks up."""


@dataclass(frozen=True)
class Match:
    """The training passage that a take is most like.

    Attributes:
        side: `made` or `reference`; name: of the take.
        likeness: 0 to 1; source: name of the training piece; at: its second.
        here: second of the take; seconds: how long the passage is.
    """

    side: str
    name: str | None
    likeness: float
    source: str | None
    at: float
    here: float
    seconds: float


class Nearest(Studied):
    """How like its nearest training passage each take is, beside how like held-out music is.

    Training music resembles itself, so a likeness means little alone. Held-out real music, which cannot have
    been copied, is the baseline: give as many references as can be had.

    * `likeness`: mean over made takes of that of the nearest training passage, 0 to 1.
    * `held_out`: the same of the held-out takes.
    * `percentile`: mean share of held-out takes that are less like the training data; 0.5 is as expected.
    * `copied`: share of made takes more like a training passage than every held-out take.
    """

    needs = frozenset({"made", "reference", "training"})
    higher_is_better: ClassVar[Mapping[str, bool | None]] = {
        "likeness": False,
        "held_out": None,
        "percentile": False,
        "copied": False,
    }

    def update(self, made: Sequence[Take], reference: Sequence[Take] = ()) -> None:
        """Count further takes; the two sides are sets and need not be of one length."""
        self.rows += [self.nearest(take, "made") for take in made]
        self.rows += [self.nearest(take, "reference") for take in reference]

    def __len__(self) -> int:
        """Takes counted on the side of what was made."""
        return sum(match.side == "made" for match in self.rows)

    def measure(self, made: Take, reference: Take | None) -> Match:
        """Find the training passage that one made take is most like."""
        return self.nearest(made, "made")

    def summarise(self, rows: Sequence[Match]) -> dict[str, float]:
        """Stand the made takes among the held-out ones."""
        made, held = (
            np.sort([match.likeness for match in rows if match.side == side])
            for side in ("made", "reference")
        )
        if not len(made) or not len(held):
            raise DiscoError(
                f"{type(self).__name__} has {len(made)} made and {len(held)} held-out takes to compare",
                do="give held-out music as reference",
            )
        below = (np.searchsorted(held, made, "left") + np.searchsorted(held, made, "right")) / 2
        return {
            "likeness": average(made.tolist()),
            "held_out": average(held.tolist()),
            "percentile": average((below / len(held)).tolist()),
            "copied": float((made > held[-1]).mean()),
        }

    def matches(self) -> list[Match]:
        """List the made takes, most like their training passage first."""
        return sorted((m for m in self.rows if m.side == "made"), key=lambda m: -m.likeness)

    @abstractmethod
    def nearest(self, take: Take, side: str) -> Match:
        """Find the training passage that a take is most like."""


def training_records(root: Path, most: int) -> list[Record]:
    """Choose pieces of a data set's training split, spread evenly over it.

    Raises:
        DiscoError: there is no manifest, or no piece for training in it.
    """
    records = [record for record in read_manifest(root / MANIFEST) if _trains(record)]
    if not records:
        raise DiscoError(f"{root} has no piece for training", do="name the data the model was trained on")
    return records[:: max(1, -(-len(records) // most))]


def training_key(root: Path, most: int) -> str:
    """Return a hash of what would be studied: what is said of the pieces, and their sound files' bytes.

    Raises:
        DiscoError: as `training_records`.
    """
    records = training_records(root, most)
    told = [f"{record} {_sum(root / record.file_path)}" for record in records]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def training_takes(root: Path, most: int) -> Iterator[Take]:
    """Read the pieces of a data set's training split one after another.

    Raises:
        DiscoError: as `training_records`, or a file cannot be read.
    """
    for record in training_records(root, most):
        yield Take(
            name=record.id,
            clip=read_clip(root / record.file_path, start=record.start, seconds=record.duration),
            tempo_bpm=record.tempo,
            asked=Asked(key=record.key, instruments=tuple(record.instruments), moods=tuple(record.mood)),
        )


def _sum(path: Path) -> str:
    """Return the hash of a file's bytes, made once per process for as long as it does not change."""
    if not path.is_file():
        return "missing"  # who studies it says so
    found = path.stat()
    return _sum_of(path, found.st_size, found.st_mtime_ns)


@cache
def _sum_of(path: Path, size: int, changed: int) -> str:
    return file_hash(path)


def _trains(record: Record) -> bool:
    return record.split == "train"
