"""Form: AABA against shuffled bars, loops, and a planted section bound."""

import numpy as np
import pytest
import torch

from disco.audio.clip import Clip
from disco.core.metric import Take
from disco.metrics.structure import Structure, bound_agreement, bounds_of
from tests.metrics.music import RATE, table


def described(made, reference=None):
    metric = Structure(cell=0.5, passage=4, tolerance=3.0)
    metric.update([made], [reference or made])
    return metric.compute()


def song(seed, *, form="AABA", shuffled=False):
    """Sections of four bars of random diatonic notes; the same letter is the same music."""
    rng = np.random.default_rng(seed)
    scale = np.array([60, 62, 64, 65, 67, 69, 71, 72])
    bars = {letter: [rng.choice(scale, 8) for _ in range(4)] for letter in dict.fromkeys(form)}
    order = [bar for letter in form for bar in bars[letter]]
    pitches = np.concatenate(order)
    if shuffled:
        pitches = rng.permutation(pitches)
    notes = table(np.arange(len(pitches)) * 0.25, pitches, length=0.25)
    return Take(notes=notes, tempo_bpm=120.0, seconds=len(pitches) * 0.25)


def test_a_song_repeats_and_its_shuffled_notes_do_not():
    songs = [described(song(seed))["repetition"] for seed in range(12)]
    noise = [described(song(seed, shuffled=True))["repetition"] for seed in range(12)]
    above = np.mean([[a > b for b in noise] for a in songs])
    assert above >= 0.95  # area under the ROC curve
    assert np.mean(songs) > np.mean(noise) + 0.1


def test_a_loop_is_called_one():
    loop, through = described(song(0, form="AAAAAA")), described(song(0, form="ABCDEF"))
    assert loop["looping"] == 1.0
    assert through["looping"] < 0.2
    assert 0.2 < described(song(0))["looping"] < 0.8


@pytest.fixture(scope="module")
def two_sections():
    """20 s of low C major, then 20 s of high F sharp major with another colour."""
    time = np.arange(20 * RATE) / RATE
    low = sum(np.sin(2 * np.pi * f * time) for f in (130.8, 164.8, 196.0))
    high = sum(np.sign(np.sin(2 * np.pi * f * time)) for f in (740.0, 932.3, 1108.7))
    wave = np.concatenate([low, high]).astype(np.float32) * 0.1
    return Take(clip=Clip(torch.from_numpy(wave[None]), RATE))


def test_a_change_of_harmony_and_colour_is_a_bound(two_sections):
    bounds, height = bounds_of(two_sections)
    assert bounds == pytest.approx([20.0], abs=1.0)
    even = Take(clip=Clip(two_sections.clip.wave[:, : 20 * RATE], RATE))
    assert bounds_of(even)[1] < height / 5


def test_bounds_are_compared_with_the_references(two_sections):
    early = Take(clip=Clip(two_sections.clip.wave[:, 12 * RATE :], RATE))
    assert described(two_sections)["bound_f"] == 1.0
    assert described(early, two_sections)["bound_f"] == 0.0


def test_bound_agreement_counts_hits_on_both_sides():
    assert bound_agreement(np.array([10.0, 20.0]), np.array([10.5, 40.0]), 3.0) == 0.5
    assert bound_agreement(np.zeros(0), np.zeros(0), 3.0) == 1.0
    assert bound_agreement(np.zeros(0), np.array([1.0]), 3.0) == 0.0
