"""What a machine hears in a take, from its sound, or from its notes where it has none."""

import numpy as np
from jaxtyping import Float

from disco.audio.rhythm import Tempo, find_beats, find_tempo
from disco.core.metric import CURVE_RATE, Take
from disco.midi.score import NoteTable

_BLUR = 1.0  # frames that a written onset reaches


def onset_strength(take: Take) -> Float[np.ndarray, " f"]:
    """Return how much begins in each frame, `CURVE_RATE` per second."""
    return take.curves.onset if take.clip is not None else _impulses(take.written, take.length)


def tempo_of(strength: Float[np.ndarray, " f"]) -> Tempo | None:
    """Find the tempo that onsets return with; None where there are none."""
    tempo = find_tempo(strength, CURVE_RATE)
    return tempo if tempo.bpm > 0 else None


def beats_of(strength: Float[np.ndarray, " f"], bpm: float) -> Float[np.ndarray, " n"]:
    """Track the beats near a tempo, in seconds."""
    return find_beats(strength, CURVE_RATE, bpm)


def chroma_of(take: Take) -> Float[np.ndarray, "f 12"]:
    """Return how much each pitch class sounds, from C on; a frame's strongest is 1."""
    return take.curves.chroma if take.clip is not None else _keyboard(take.written, take.length)


def cepstrum_of(take: Take) -> Float[np.ndarray, "f d"]:
    """Return the tone colour of each frame without its level; notes alone have none."""
    if take.clip is None:
        return np.zeros((_frames(take.length), 1), np.float32)
    return take.curves.mfcc[:, 1:]


def _frames(seconds: float) -> int:
    return max(1, round(seconds * CURVE_RATE))


def _impulses(notes: NoteTable, seconds: float) -> np.ndarray:
    """A bump per onset, as high as the note is loud."""
    strength = np.zeros(_frames(seconds), np.float32)
    for onset, velocity in zip(notes.onset, notes.velocity, strict=True):
        first = max(0, int(onset * CURVE_RATE) - 3)
        near = np.arange(first, min(len(strength), first + 8))
        strength[near] += velocity / 127.0 * np.exp(-0.5 * ((near - onset * CURVE_RATE) / _BLUR) ** 2)
    return strength


def _keyboard(notes: NoteTable, seconds: float) -> np.ndarray:
    held = np.zeros((_frames(seconds), 12), np.float32)
    for onset, offset, pitch in zip(notes.onset, notes.offset, notes.pitch, strict=True):
        held[int(onset * CURVE_RATE) : max(1, int(offset * CURVE_RATE)), pitch % 12] = 1.0
    return held
