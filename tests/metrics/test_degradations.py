"""Real tunes, spoilt more and more: the farther from music, the higher the distance to other tunes."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import scipy.signal
import torch

from disco.audio.clip import Clip
from disco.core.embedder import Embedder
from disco.core.metric import Take
from disco.embedders.logmel import LogMel
from disco.embedders.musicnn import MusicnnLayer
from disco.metrics.coverage import Coverage
from disco.metrics.fad import Fad
from disco.metrics.kad import Kad
from disco.midi.render import render
from disco.midi.score import NoteTable, score_from_notes

RATE = 16000
COUNT, SECONDS = 12, 6.0


@cache
def score(seed: int) -> NoteTable:
    """A tune in D major in eighths, for piano, violin or flute."""
    rng = np.random.default_rng(seed)
    count = int(SECONDS / 0.25)
    degree = np.clip(np.cumsum(rng.choice([-2, -1, 1, 1, 2], count)), -4, 10)
    major = np.array([0, 2, 4, 5, 7, 9, 11])
    pitch = 62 + major[degree % 7] + 12 * (degree // 7)
    onset = np.arange(count) * 0.25
    return NoteTable(
        onset=onset,
        offset=onset + 0.23,
        pitch=pitch.astype(np.int64),
        velocity=np.full(count, 90),
        program=np.full(count, (0, 40, 73)[seed % 3], dtype=np.int64),
        is_drum=np.zeros(count, dtype=bool),
    )


@cache
def clip(seed: int) -> Clip:
    found = render(score_from_notes(score(seed)), rate=RATE, channels=1)
    return Clip(found.wave[:, : int(SECONDS * RATE)], RATE)


def noisy(sound: Clip, ratio_db: float) -> Clip:
    noise = torch.randn(sound.wave.shape, generator=torch.Generator().manual_seed(0))
    return Clip(sound.wave + noise * sound.wave.std() * 10 ** (-ratio_db / 20), RATE)


def dull(sound: Clip, hertz: float) -> Clip:
    filtered = scipy.signal.sosfiltfilt(
        scipy.signal.butter(8, hertz, fs=RATE, output="sos"), sound.wave.numpy(), axis=-1
    )
    return Clip(torch.from_numpy(filtered.copy()).float(), RATE)


def shuffled(sound: Clip, seconds: float) -> Clip:
    pieces = sound.wave.unfold(1, int(seconds * RATE), int(seconds * RATE))[0]
    order = torch.randperm(len(pieces), generator=torch.Generator().manual_seed(1))
    return Clip(pieces[order].reshape(1, -1), RATE)


WAYS = {
    "noise": (noisy, (25.0, 15.0, 0.0)),
    "low-pass": (dull, (4000.0, 1500.0, 500.0)),
    "shuffle": (shuffled, (0.25, 0.1, 0.01)),
}


@cache
def ear(name: str) -> Embedder:
    if name == "musicnn":
        return MusicnnLayer(trained="mtt", hop=1.0, cache=None)
    return LogMel(rate=RATE, bands=64, window=1.0, cache=None)


def measure(made: list[Clip], hearing: str) -> dict[str, float]:
    settings = {"min_windows": 20, "groups": 6, "confidence": 0.95}
    values = {}
    for metric in (
        Fad(embedder=ear(hearing), statistics=None, keep=None, **settings),
        Kad(embedder=ear(hearing), **settings),
        Coverage(embedder=ear(hearing), min_windows=20, nearest=5),
    ):
        metric.update(
            [Take(clip=one) for one in made], [Take(clip=clip(seed)) for seed in range(100, 100 + len(made))]
        )
        values |= {
            f"{type(metric).__name__}{key.removeprefix(hearing)}": v for key, v in metric.compute().items()
        }
    return values


def spoilt(way: str, hearing: str, count: int, strengths: tuple[float, ...]) -> list[dict[str, float]]:
    """Measure clean tunes, and the same at each strength."""
    spoil, _ = WAYS[way]
    clean = [clip(seed) for seed in range(count)]
    return [measure(clean, hearing), *(measure([spoil(one, s) for one in clean], hearing) for s in strengths)]


@pytest.mark.long
@pytest.mark.parametrize("way", WAYS)
def test_spoilt_tunes_lie_farther_away_the_more_they_are_spoilt(way: str) -> None:
    found = spoilt(way, "logmel", COUNT, WAYS[way][1])
    for name in ("Fad", "Fad/infinity", "Kad"):
        values = [one[name] for one in found]
        assert values == sorted(values), name
    assert found[-1]["Coverage/coverage"] < 0.1 < found[0]["Coverage/coverage"]


@pytest.mark.long
@pytest.mark.parametrize("way", WAYS)
def test_a_trained_network_hears_the_same(way: str) -> None:
    found = spoilt(way, "musicnn", COUNT // 2, WAYS[way][1][:2])  # all grains of 0.1 s and less sound alike
    for name in ("Fad", "Kad"):
        values = [one[name] for one in found]
        assert values == sorted(values), name
        assert values[-1] > 2 * abs(values[0])
