"""Describes a recording: spectral curves, tempo, beats, bar lines, key."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from disco.audio.keys import find_key
from disco.audio.rhythm import find_bars, find_beats, find_tempo
from disco.audio.spectrum import Curves, Spectrum
from disco.audio.spool import let_go
from disco.core.ranges import PositiveInt, Share
from disco.core.stage import Notes, Stage, Tap

_CURVES = ("mel", "mfcc", "chroma", "contrast", "centroid", "rms", "peak", "onset")
_MEL = ("mel", "rms", "peak")
_PIECE = 512  # beats at once, so that a long file costs no second chroma
_HEARD = 1e-3  # of the loudest frame's level: softer frames have no colour


class Features(Stage):
    """Transforms each frame once and leaves the curves for the stages after it.

    `notes.curves` gets `mel` (power), `mfcc`, `chroma`, `contrast`, `centroid`, `rms`, `peak`, `onset`
    by frame, `beats` and `downbeats` in seconds, and `bandwidth_power`, the long-term spectrum.

    Args:
        n_fft: samples of a frame.
        hop: samples from frame to frame.
        tempo_confidence: the record says a tempo from here on; below there is hardly a beat.
        key_confidence: the record says a key from here on.
        mel_only: leave `mel`, `rms` and `peak` alone, in a third of the time; `segment` needs more.
    """

    def __init__(
        self,
        *,
        n_fft: PositiveInt,
        hop: PositiveInt,
        tempo_confidence: Share,
        key_confidence: Share,
        mel_only: bool,
    ) -> None:
        self.n_fft = n_fft
        self.hop = hop
        self.tempo_confidence = tempo_confidence
        self.key_confidence = key_confidence
        self.mel_only = mel_only

    def open(self, notes: Notes) -> Tap:
        """Transform the stream as the stages before leave it."""
        return _Tap(self, notes)

    def tell(self, notes: Notes, curves: Curves) -> None:
        """Note the curves, and what they say of tempo and key."""
        rate = curves.curve_rate
        notes.curve_rate = rate
        notes.curves |= {name: getattr(curves, name) for name in (_MEL if self.mel_only else _CURVES)}
        if self.mel_only:
            return
        notes.curves["bandwidth_power"] = curves.mean_power
        tempo = find_tempo(curves.onset, rate)
        beats = find_beats(curves.onset, rate, tempo.bpm)
        bars = find_bars(beats, beat_accents(beats, curves))
        key = find_key(curves.chroma, curves.rms)
        let_go(curves.chroma)
        notes.curves["beats"], notes.curves["downbeats"] = beats, bars.lines
        loud = curves.rms > _HEARD * curves.rms.max(initial=0.0)
        notes.features |= {
            "spectral_centroid_mean": round(float(curves.centroid[loud].mean()) if loud.any() else 0.0, 1),
            "tempo_confidence": round(tempo.confidence, 3),
            "tempo_ambiguous": float(tempo.ambiguous),
            "bar_confidence": round(bars.confidence, 3),
            "beats_per_bar": float(bars.metre),
            "beats": float(len(beats)),
            "key_confidence": round(key.confidence, 3),
        }
        if tempo.bpm > 0 and tempo.confidence >= self.tempo_confidence:
            notes.tell("features", tempo=round(tempo.bpm, 2))
        if key.name and key.confidence >= self.key_confidence:
            notes.tell("features", key=key.name)


def beat_accents(beats: Float[np.ndarray, " n"], curves: Curves) -> Float[np.ndarray, "n 4"]:
    """Weigh every beat: how much begins, how much bass begins, how loud it is, how the harmony changes."""
    if not len(beats):
        return np.zeros((0, 4), np.float32)
    rate, frames = curves.curve_rate, len(curves.onset)
    places = np.clip(np.rint(beats * rate).astype(int), 0, frames - 1)
    near = np.clip(places[:, None] + np.arange(-2, 3), 0, frames - 1)
    bounds = np.unique(np.append(places, frames))
    if len(bounds) != len(places) + 1:  # two beats in one frame, or one at the very end
        return np.zeros((len(beats), 4), np.float32)
    lengths = np.diff(bounds)[:, None]
    harmony = np.empty((len(places), 12), np.float32)
    for one in range(0, len(places), _PIECE):
        other = min(one + _PIECE, len(places))
        first, last = bounds[one], bounds[other]
        sounding = np.asarray(curves.chroma[first:last]) * curves.rms[first:last, None]
        harmony[one:other] = np.add.reduceat(sounding, places[one:other] - first, axis=0)
        let_go(curves.chroma)
    harmony /= lengths
    harmony /= np.maximum(np.linalg.norm(harmony, axis=1, keepdims=True), 1e-9)
    change = np.append(0.0, 1.0 - (harmony[1:] * harmony[:-1]).sum(1))
    level = np.add.reduceat(curves.rms, places) / lengths[:, 0]
    columns = [curves.onset[near].max(1), curves.bass_onset[near].max(1), level, change]
    return np.stack(columns, 1).astype(np.float32)


class _Tap:
    """Lets the stream pass."""

    def __init__(self, stage: Features, notes: Notes) -> None:
        self.stage, self.notes, self.channels = stage, notes, notes.channels
        expected = round(notes.source.frames * notes.rate / max(1, notes.source.rate))
        self.spectrum = Spectrum(
            rate=notes.rate,
            n_fft=stage.n_fft,
            hop=stage.hop,
            num_samples=min(expected, 1 << 31),
            mel_only=stage.mel_only,
        )

    def push(self, block: Float[np.ndarray, "c t"]) -> Float[np.ndarray, "c t"]:
        self.spectrum.push(block)
        return block

    def flush(self) -> Float[np.ndarray, "c 0"]:
        self.stage.tell(self.notes, self.spectrum.finish())
        return np.zeros((self.channels, 0), np.float32)
