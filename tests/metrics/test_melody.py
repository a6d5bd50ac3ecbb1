"""Melodic variety in closed form, and in the order that musicians would give."""

import math

import numpy as np
import pytest

from disco.core.metric import Take
from disco.metrics.melody import MelodicComplexity, complexity, entropy, phrases
from tests.metrics.music import table


def described(pitches):
    metric = MelodicComplexity()
    metric.update([Take(notes=table(np.arange(len(pitches)) * 0.25, pitches))])
    return metric.compute()


def scale():
    return [60 + step for step in (0, 2, 4, 5, 7, 9, 11, 12, 11, 9, 7, 5, 4, 2) * 6]


def arpeggio():
    chords = [(60, 64, 67, 72), (65, 69, 72, 77), (67, 71, 74, 79), (57, 60, 64, 69)]
    return [pitch for chord in chords * 6 for pitch in (*chord, chord[2])][:84]


def walk():
    steps = np.random.default_rng(0).integers(-9, 10, 84)
    return np.clip(66 + np.cumsum(steps) % 24, 48, 96).tolist()


def test_a_scale_is_simpler_than_an_arpeggio_and_that_than_a_random_walk():
    simple, broken, wild = (described(tune()) for tune in (scale, arpeggio, walk))
    for name in ("interval_entropy", "complexity"):
        assert simple[name] < broken[name] < wild[name]
    assert wild["complexity"] > 1.0
    assert simple["turning"] < 0.2 < wild["turning"]


def test_entropies_have_their_closed_form():
    assert entropy([]) == entropy(["a"]) == 0.0
    assert entropy(list("abcd")) == 2.0
    assert entropy(list("aab")) == pytest.approx(-(2 / 3) * math.log2(2 / 3) - (1 / 3) * math.log2(1 / 3))
    found = described(list(range(60, 72)))
    assert found["pitch_class_entropy"] == pytest.approx(math.log2(12))
    assert found["interval_entropy"] == found["rhythm_entropy"] == 0.0
    assert (found["range"], found["rising"], found["turning"]) == (11.0, 1.0, 0.0)


@pytest.mark.parametrize(
    ("text", "count"), [("0001101001000101", 6), ("0" * 50, 2), ("01" * 30, 3), ("0123456789", 10), ("", 0)]
)
def test_phrases_are_those_of_the_paper(text, count):
    assert phrases(list(text)) == count  # the first is the example of Lempel and Ziv 1976


def test_coin_tosses_have_complexity_one_and_patterns_nearly_none():
    tosses = np.random.default_rng(0).integers(0, 2, 3000).tolist()
    assert complexity(tosses) == pytest.approx(1.0, abs=0.15)
    assert complexity([0, 1, 2, 3] * 500) < 0.05


def test_transposing_changes_nothing_but_upside_down_turns_the_contour():
    tune = arpeggio()
    moved, mirrored = described([pitch + 5 for pitch in tune]), described([140 - pitch for pitch in tune])
    assert moved == pytest.approx(described(tune))
    assert mirrored["rising"] == pytest.approx(1 - moved["rising"])
    assert mirrored["turning"] == moved["turning"]


def test_notes_outside_the_scale_are_counted():
    tune = scale()
    assert described(tune)["in_scale"] == 1.0
    tune[10], tune[20] = 61, 66
    assert described(tune)["in_scale"] == pytest.approx(1 - 2 / len(tune))


def test_a_take_without_notes_defines_nothing():
    assert all(math.isnan(value) for value in described([]).values())
