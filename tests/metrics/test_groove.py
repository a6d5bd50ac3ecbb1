"""Groove: planted swing, jitter and syncopation are measured as planted."""

import math

import numpy as np
import pytest

from disco.core.metric import Take
from disco.metrics.groove import (
    Groove,
    bar_patterns,
    grid_offset,
    groove_similarity,
    rhythm_of,
    swing_ratio,
    syncopation,
)
from tests.metrics.music import clicks, pulse, table


def described(beats, *, tempo_bpm=120.0, divisions=4, **more):
    metric = Groove(beats_per_bar=4, divisions=divisions, tolerance=0.02)
    notes = table(np.asarray(beats) * 60.0 / tempo_bpm, 60)
    metric.update([Take(notes=notes, tempo_bpm=tempo_bpm, **more)])
    return metric.compute()


def eighths(bars, swing=0.5):
    beats = np.arange(4 * bars)
    return np.sort(np.concatenate([beats, beats + swing]))


@pytest.mark.parametrize("swing", [0.5, 0.55, 0.6, 2 / 3, 0.75])
def test_swing_is_recovered(swing):
    assert described(eighths(8, swing))["swing"] == pytest.approx(swing, abs=1e-6)


def test_swing_is_recovered_through_jitter_and_from_sound():
    rng = np.random.default_rng(0)
    jittered = eighths(16, 2 / 3) + rng.normal(0, 0.01, 128)
    assert swing_ratio(np.sort(jittered)) == pytest.approx(2 / 3, abs=0.02)
    seconds = np.sort(np.concatenate([pulse(100), pulse(100) + 0.4]))
    notes = table(seconds, 60)
    clip = clicks(pulse(100), 20.0)
    found = Groove(beats_per_bar=4, divisions=12, tolerance=0.03)
    found.update([Take(clip=clip, notes=notes)])
    assert found.compute()["swing"] == pytest.approx(2 / 3, abs=0.04)


def test_equal_bars_are_alike_and_each_change_counts():
    bar = np.array([0, 1, 1.5, 2, 3])
    same = np.concatenate([bar + 4 * index for index in range(8)])
    assert described(same)["similarity"] == described(same)["consistency"] == 1.0
    dropped = np.delete(same, 2)
    assert described(dropped)["similarity"] == pytest.approx(1 - 1 / (7 * 16))


def test_similarity_falls_the_more_bars_are_shuffled():
    rng = np.random.default_rng(0)
    bars = np.zeros((32, 16), dtype=bool)
    bars[:, ::4] = True
    values = []
    for share in (0.0, 0.25, 0.5, 1.0):
        noisy = bars ^ (rng.random(bars.shape) < share / 2)
        values.append(groove_similarity(noisy))
    assert values == sorted(values, reverse=True)
    assert values[0] == 1.0
    assert values[-1] == pytest.approx(0.5, abs=0.1)


def test_jitter_is_measured_in_milliseconds_and_leaves_the_grid():
    rng = np.random.default_rng(0)
    offs = rng.normal(0, 1, 640)
    shares = []
    for milliseconds in (0, 5, 10, 20):
        late = eighths(80) + milliseconds / 500 * offs  # a beat lasts 500 ms
        found = described(np.sort(late) + 1)
        assert found["microtiming"] == pytest.approx(milliseconds * np.abs(offs).mean(), abs=0.5)
        shares.append(found["on_grid"])
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == 1.0
    assert shares[-1] == pytest.approx(0.68, abs=0.05)  # 20 ms is one standard deviation


@pytest.mark.parametrize("late", [-0.1, 0.05, 0.12])
def test_a_tune_that_begins_off_the_beat_is_still_on_its_grid(late):
    found = described(eighths(8) + 4 + late)
    assert found["on_grid"] == 1.0
    assert found["swing"] == pytest.approx(0.5)
    assert grid_offset(eighths(8) + late, 4, 0.04) == pytest.approx(late, abs=0.04)


def test_triplets_are_on_a_grid_that_has_them():
    beats = np.sort(np.concatenate([np.arange(16) + third for third in (0, 1 / 3, 2 / 3)]))
    assert described(beats, divisions=12)["on_grid"] == 1.0
    assert described(beats, divisions=4)["on_grid"] < 0.5


def test_syncopation_counts_the_rests_that_are_overridden():
    def bar(*places):
        return np.isin(np.arange(16), places)

    assert syncopation(bar(0, 4, 8, 12)) == 0.0
    assert syncopation(bar(0)) == 0.0
    assert syncopation(bar(2)) == 2.0  # -3 held over -2 (1) and that over -1 (1)
    assert syncopation(bar(0, 3, 6, 10, 12)) > syncopation(bar(0, 4, 6, 8, 12))  # son clave


def test_known_beats_set_the_grid_where_no_tempo_is_known():
    beats = 0.3 + np.cumsum(np.linspace(0.4, 0.6, 33))  # a ritardando
    middle = (beats[:-1] + beats[1:]) / 2
    notes = table(np.sort(np.concatenate([beats, middle])), 60)
    rhythm = rhythm_of(Take(notes=notes, beats=beats))
    assert rhythm.places == pytest.approx(np.arange(len(rhythm.places)) / 2)
    patterns = bar_patterns(rhythm.places, 4, 4)
    assert patterns[:8].sum(1).tolist() == [8] * 8


def test_without_onsets_nothing_is_defined():
    assert all(math.isnan(value) for value in described([]).values())
