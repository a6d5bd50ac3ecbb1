"""What is heard of pieces that were told something: tempo, instrument, key, melody, notes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import stats

from disco.audio.clip import Clip
from disco.audio.melody import chromagram
from disco.core.metric import Asked, Take
from disco.metrics.hearing import onset_strength, tempo_of
from disco.metrics.instruments import Instruments
from disco.metrics.tonality import find_key, pitch_classes
from disco.midi.compare import onset_agreement
from disco.midi.score import NoteTable

MELODY_RATE = 16.0  # frames per second in which melodies are compared


def heard_tempos(clips: Sequence[Clip], slowest: float) -> Float[np.ndarray, " n"]:
    """Return the tempo of each within one octave, whatever was asked; NaN where none is heard."""
    found = [tempo_of(onset_strength(Take(clip=clip))) for clip in clips]
    return np.array([np.nan if one is None else _folded(one.bpm, slowest) for one in found])


def _folded(bpm: float, slowest: float) -> float:
    return slowest * 2.0 ** (np.log2(bpm / slowest) % 1.0)


class InstrumentEar:
    """Tells instruments apart by their mean tone colour, as it heard them in training music.

    Args:
        clips: of the training data, as the codec leaves them.
        instruments: of each.
    """

    def __init__(self, clips: Sequence[Clip], instruments: Sequence[str]) -> None:
        self.ear = Instruments(root=None, most=len(clips))
        self.ear.learn(
            Take(clip=clip, asked=Asked(instruments=(name,)))
            for clip, name in zip(clips, instruments, strict=True)
        )

    def hear(self, clips: Sequence[Clip]) -> list[str]:
        """Return the instrument of each clip."""
        return [self.ear.hear(Take(clip=clip))[0] for clip in clips]


def heard_key(notes: NoteTable) -> str | None:
    """Return the key of some notes."""
    found = find_key(pitch_classes(notes))
    return None if found is None else str(found)


def accuracy(asked: Sequence[object], heard: Sequence[object]) -> float:
    """Return the share that is as it was asked to be."""
    return float(np.mean([one == other for one, other in zip(asked, heard, strict=True)]))


def melody_likeness(made: Sequence[Clip], wanted: Sequence[Clip]) -> Float[np.ndarray, "n n"]:
    """Return how alike the chroma of each made clip (rows) and of each wanted one (columns) is over time.

    The cosine of the two chroma rows at the same moment, averaged over the moments at which the wanted one
    sounds; 0 to 1.
    """
    ours, theirs = ([_unit(chromagram(clip, MELODY_RATE)) for clip in clips] for clips in (made, wanted))
    return np.array([[_together(one, other) for other in theirs] for one in ours])


def _unit(chroma: Float[np.ndarray, "f 12"]) -> Float[np.ndarray, "f 12"]:
    level = np.linalg.norm(chroma, axis=1, keepdims=True)
    return np.where(level > 1e-3 * level.max(initial=1e-12), chroma / np.maximum(level, 1e-12), 0.0)


def _together(one: Float[np.ndarray, "f 12"], other: Float[np.ndarray, "g 12"]) -> float:
    frames = min(len(one), len(other))
    sounds = other[:frames].any(1)
    return float((one[:frames] * other[:frames]).sum(1)[sounds].mean()) if sounds.any() else 0.0


def own_against_others(likeness: Float[np.ndarray, "n n"]) -> tuple[float, float, float]:
    """Return the mean likeness to one's own, to everybody else's, and how likely chance explains it.

    The p-value is of Wilcoxon's signed-rank test, over pieces, that its own is no more alike than the mean
    of the others.
    """
    own = np.diag(likeness)
    others = (likeness.sum(1) - own) / (len(likeness) - 1)
    return float(own.mean()), float(others.mean()), better(own, others)


def better(one: Sequence[float] | np.ndarray, other: Sequence[float] | np.ndarray) -> float:
    """Return the p-value of Wilcoxon's signed-rank test that pairs are no larger on the left."""
    result: Any = stats.wilcoxon(np.asarray(one), np.asarray(other), alternative="greater")
    return float(result.pvalue)


def onset_f1(made: Sequence[Clip], asked: Sequence[NoteTable]) -> list[float]:
    """Return how many of the asked notes a transcriber hears where they should be, each 0 to 1."""
    return [onset_agreement(notes, Take(clip=clip).heard).f1 for clip, notes in zip(made, asked, strict=True)]
