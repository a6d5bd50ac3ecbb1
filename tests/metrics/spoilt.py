"""Music of the demo corpus, spoilt on purpose in five ways and three strengths each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import scipy.signal
import torch

from disco.audio.clip import Clip
from disco.core.metric import Asked, Take
from disco.corpus.tunes import Tune, load_tunes
from disco.metrics.tonality import parse_key
from disco.midi.render import render
from disco.midi.score import NoteTable, score_from_notes
from tests.metrics.music import played

RATE, SECONDS, TEMPO = 22050, 8.0, 120.0
PLAYERS = 6  # of whom each is out of tune by an amount of their own


@cache
def tunes() -> tuple[Tune, ...]:
    """Three reels and three chorales, in turn, each in a key that a source states."""
    chosen = []
    for rhythm, mode in (("reel", "maj"), ("chorale", "maj"), ("reel", "min")):
        known = [tune for tune in load_tunes() if tune.rhythm == rhythm and (tune.key or "").endswith(mode)]
        chosen += known[:: max(1, len(known) // 2)][:2]
    return tuple(chosen)


@cache
def notes_of(tune: Tune, program: int = 0) -> NoteTable:
    """The first seconds of a piece."""
    notes = played(tune.id, program=program, tempo_bpm=TEMPO, end=SECONDS, sound=False).notes
    assert notes is not None
    return notes


def sound_of(notes: NoteTable) -> Clip:
    """Play notes for just as long as the others."""
    wave = render(score_from_notes(notes), rate=RATE, tail=1.0).wave
    return _lasting(wave)


@cache
def clean(index: int) -> Clip:
    """A piece as it should sound."""
    return sound_of(notes_of(tunes()[index]))


def noisy(index: int, ratio_db: float) -> Clip:
    """Add white noise, the music so many decibels above it."""
    wave = clean(index).wave
    noise = torch.randn(wave.shape, generator=_torch(index)) * wave.std() * 10 ** (-ratio_db / 20)
    return Clip(wave + noise, RATE)


def dull(index: int, hertz: float) -> Clip:
    """Take away what lies above a frequency."""
    passed = scipy.signal.butter(8, hertz, fs=RATE, output="sos")
    wave = scipy.signal.sosfiltfilt(passed, clean(index).wave.numpy(), axis=-1)
    return Clip(torch.from_numpy(wave.copy()).float(), RATE)


def detuned(index: int, cents: float) -> Clip:
    """Let six players share the notes, each out of tune by its own amount (standard deviation)."""
    notes, rng = notes_of(tunes()[index]), np.random.default_rng(index)
    player = rng.integers(0, PLAYERS, len(notes))
    total = torch.zeros(1, round(SECONDS * RATE))
    for number, amount in enumerate(rng.normal(0.0, 1.0, PLAYERS)):
        mine = notes.where(player == number)
        if not len(mine):
            continue
        up = 2 ** (cents * amount / 1200)
        slow = replace(mine, onset=mine.onset * up, offset=mine.offset * up)  # to be played that much faster
        part = render(score_from_notes(slow), rate=RATE, tail=1.0, peak=None)
        total += _lasting(Clip(part.wave, round(RATE * up)).resampled(RATE).wave).wave
    return Clip(total * (0.7 / float(total.abs().max())), RATE)


def jittered(index: int, seconds: float) -> Clip:
    """Move every note from its time, early or late (standard deviation)."""
    notes = notes_of(tunes()[index])
    moved = np.random.default_rng(index).normal(0.0, seconds, len(notes))
    moved = np.maximum(moved, -notes.onset)
    return sound_of(replace(notes, onset=notes.onset + moved, offset=notes.offset + moved))


def shuffled(index: int, seconds: float) -> Clip:
    """Cut into pieces of so many seconds and put them together in another order."""
    size = round(seconds * RATE)
    pieces = clean(index).wave.unfold(1, size, size)[0]
    return Clip(pieces[torch.randperm(len(pieces), generator=_torch(index))].reshape(1, -1), RATE)


WAYS: Mapping[str, tuple[Callable[[int, float], Clip], tuple[float, ...]]] = {
    "noise": (noisy, (30.0, 15.0, 0.0)),
    "low-pass": (dull, (4000.0, 1200.0, 400.0)),
    "detune": (detuned, (20.0, 60.0, 180.0)),
    "jitter": (jittered, (0.02, 0.06, 0.18)),
    "shuffle": (shuffled, (8 / 5, 8 / 18, 8 / 80)),  # no whole beats: those would stay in time
}


@dataclass(frozen=True)
class Frames:
    """A codec of one codebook, for metrics over tokens: which of 64 bands is loudest, frame by frame."""

    rate: int = RATE
    channels: int = 1
    hop: int = 1024
    num_codebooks: int = 1
    cardinality: int = 64
    fingerprint: str = "frames"

    def encode(self, wave: torch.Tensor) -> torch.Tensor:
        """Return a token per frame."""
        parts = wave[:, 0].unfold(1, self.hop, self.hop) * torch.hann_window(self.hop)
        return torch.fft.rfft(parts).abs()[..., :64].argmax(-1)[:, None]

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """Nobody asks."""
        raise NotImplementedError


def take_of(clip: Clip, index: int, *, notes: NoteTable | None = None) -> Take:
    """What a judge gets of a sound that should be the piece of this number."""
    tune = tunes()[index]
    return Take(
        name=tune.id,
        clip=clip,
        notes=notes,
        seconds=SECONDS,
        tempo_bpm=TEMPO,
        asked=Asked(
            caption=f"a {tune.rhythm} in {parse_key(tune.key or '')} on the piano",
            key=tune.key,
            instruments=("piano",),
            moods=("lively",) if tune.rhythm == "reel" else ("slow",),
            notes=notes_of(tune),
        ),
        codes=Frames().encode(clip.wave[None])[0].numpy(),
    )


@cache
def reference() -> tuple[Take, ...]:
    """The pieces as they should be, with their notes."""
    written = [notes_of(tune) for tune in tunes()]
    return tuple(take_of(clean(index), index, notes=notes) for index, notes in enumerate(written))


@cache
def made(way: str, strength: int) -> tuple[Take, ...]:
    """The sound of all pieces, spoilt; strength 0 leaves them as they are. Nobody knows their notes."""
    spoil, strengths = WAYS[way]
    if strength == 0:
        return perfect()
    return tuple(take_of(spoil(index, strengths[strength - 1]), index) for index in range(len(tunes())))


@cache
def perfect() -> tuple[Take, ...]:
    """The sound of all pieces as it should be."""
    return tuple(take_of(clean(index), index) for index in range(len(tunes())))


def _lasting(wave: torch.Tensor) -> Clip:
    wanted = round(SECONDS * RATE)
    return Clip(torch.nn.functional.pad(wave[:, :wanted], (0, max(0, wanted - wave.shape[1]))), RATE)


def _torch(index: int) -> torch.Generator:
    return torch.Generator().manual_seed(index)
