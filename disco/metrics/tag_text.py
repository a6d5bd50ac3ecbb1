"""Does it sound like its caption, as far as a tagger and a reader of sentences can tell?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from torch import Tensor

from disco.audio.clip import Clip
from disco.core.metric import Metric, Take, average


@runtime_checkable
class Tagger(Protocol):
    """Gives every window of a clip the likelihood of each tag, 0 to 1; `labels` are the tags."""

    name: str
    labels: tuple[str, ...]

    def embed(self, clip: Clip) -> Float[np.ndarray, "n d"]:
        """Return the likelihoods, window by window."""
        ...


@runtime_checkable
class Reader(Protocol):
    """Reads a sentence, a vector per word piece; vectors of sentences of one meaning lie close."""

    name: str

    def read(self, caption: str) -> Float[Tensor, "n e"]:
        """Return a vector per word piece."""
        ...


@dataclass(frozen=True, eq=False)
class Told:
    """One take: its caption, where that lies, and where the tags that are heard lie; both of length 1."""

    caption: str | None
    text: Float[np.ndarray, " e"]
    music: Float[np.ndarray, " e"]


class TagText(Metric):
    """The caption against the tags that are heard, both in the space of a reader of sentences.

    The tags of a take lie where its labels lie, each as heavy as it is likely; tags of what is not there
    (`no vocals`) are left out. Takes without a caption do not count.

    * `<tagger>-<reader>/similarity`: cosine of caption and tags, mean over takes.
    * `…/rank`: mean share of the other captions that fit a take worse than its own, after what all captions
      and all takes have in common is taken away; chance is 0.5. Not defined where all captions are the same.

    This is no CLAP score: neither network learnt sound and text together, and no published number compares.

    Args:
        tagger: hears tags.
        reader: reads captions and tags.
    """

    needs = frozenset({"made"})
    deaf: ClassVar[Mapping[str, str]] = {
        "detune": "no tag tells what is in tune",
        "jitter": "no tag tells what is in time",
    }

    def __init__(self, *, tagger: Tagger, reader: Reader) -> None:
        super().__init__()
        self.tagger = tagger
        self.reader = reader
        self.called = f"{tagger.name}-{reader.name}"

    @property
    def higher_is_better(self) -> Mapping[str, bool | None]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Value name, with the judges', to which way is better."""
        return {f"{self.called}/similarity": True, f"{self.called}/rank": True}

    def measure(self, made: Take, reference: Take | None) -> Told:
        """Read the caption of one take and hear its tags."""
        caption = made.asked.caption
        if caption is None or not caption.strip():
            return Told(None, np.zeros(0), np.zeros(0))
        kept, places = self._labels
        likely = self.tagger.embed(made.sound)[:, kept].astype(np.float64).mean(0)
        return Told(caption, self._place(caption), _unit(likely @ places))

    def summarise(self, rows: Sequence[Told]) -> dict[str, float]:
        """Compare each caption with its own take, and with the others."""
        told = [row for row in rows if row.caption is not None]
        return {
            f"{self.called}/similarity": average(float(row.text @ row.music) for row in told),
            f"{self.called}/rank": average(ranks(told)),
        }

    @cached_property
    def _labels(self) -> tuple[list[int], Float[np.ndarray, "n e"]]:
        """Which labels count, and where they lie."""
        kept = [index for index, label in enumerate(self.tagger.labels) if not label.startswith("no ")]
        return kept, np.stack([self._place(self.tagger.labels[index]) for index in kept])

    def _place(self, sentence: str) -> Float[np.ndarray, " e"]:
        return _unit(self.reader.read(sentence).double().mean(0).cpu().numpy())


def ranks(told: Sequence[Told]) -> list[float]:
    """Return, take by take, the share of other captions that fit it worse; ties count half."""
    known = {row.caption: row.text for row in told}
    if len(known) < 2:
        return [math.nan] * len(told)
    captions = sorted(known, key=str)
    texts = np.stack([known[caption] for caption in captions])
    music = np.stack([row.music for row in told])
    usual = np.stack([one.music for one in sorted(told, key=lambda one: one.music.tobytes())]).mean(0)
    fits = (music - usual) @ (texts - texts.mean(0)).T
    own = np.array([captions.index(row.caption) for row in told])
    mine = fits[np.arange(len(told)), own][:, None]
    worse = (fits < mine).sum(1) + 0.5 * ((fits == mine).sum(1) - 1)
    return (worse / (len(captions) - 1)).tolist()


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-12)
