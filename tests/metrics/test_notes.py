"""Note statistics on tunes whose answer can be counted by hand."""

import math

import numpy as np
import pytest

from disco.core.metric import Take
from disco.metrics.notes import Notes, chance_on_grid, melody, on_grid
from disco.midi.score import NoteTable


def table(*notes, drums=()):
    """Notes as (onset, pitch), each 0.1 s long."""
    onset = np.array([n[0] for n in notes], dtype=np.float64)
    return NoteTable(
        onset=onset,
        offset=onset + 0.1,
        pitch=np.array([n[1] for n in notes], dtype=np.int64),
        velocity=np.full(len(notes), 80),
        program=np.zeros(len(notes), dtype=np.int64),
        is_drum=np.array([i in drums for i in range(len(notes))], dtype=bool),
    )


def statistics(notes, *, tempo_bpm=120.0, seconds=2.0):
    metric = Notes(step_semitones=4, tolerance=0.02, divisions=4)
    metric.update([Take(notes=notes, seconds=seconds, tempo_bpm=tempo_bpm)])
    return metric.compute()


def test_the_melody_is_the_top_of_each_chord():
    onsets, pitches = melody(table((0.0, 60), (0.01, 64), (0.02, 67), (0.5, 72), (0.52, 48)))
    assert pitches.tolist() == [67, 72]
    assert onsets.tolist() == [0.0, 0.5]


def test_statistics_match_a_count_by_hand():
    found = statistics(table((0.0, 60), (0.25, 62), (0.5, 62), (0.56, 69), (0.875, 67)))
    assert found["notes_per_second"] == 2.5
    assert found["interval"] == (2 + 0 + 7 + 2) / 4
    assert found["steps"] == 3 / 4
    assert found["on_grid"] == 2 / 4  # gaps .25 .25 on; .06 and .315 off


def test_drums_do_not_count():
    assert statistics(table((0.0, 60), (0.3, 36), (0.5, 62), drums=(1,))) == statistics(
        table((0.0, 60), (0.5, 62))
    )


def test_irregular_onsets_reach_chance_and_no_more():
    gaps = np.random.default_rng(0).uniform(0.125, 2.0, 20000)
    assert on_grid(gaps, 0.125, 0.02).mean() == pytest.approx(
        chance_on_grid(120.0, tolerance=0.02, divisions=4), abs=0.01
    )


def test_chance_grows_with_the_tempo_up_to_certainty():
    assert chance_on_grid(120.0, tolerance=0.02, divisions=4) == pytest.approx(0.32)
    assert chance_on_grid(60.0, tolerance=0.02, divisions=4) == pytest.approx(0.16)
    assert chance_on_grid(1000.0, tolerance=0.02, divisions=4) == 1.0


def test_the_same_rhythm_leaves_the_grid_at_another_tempo():
    steady = table(*((i * 0.25, 60) for i in range(8)))
    assert statistics(steady)["on_grid"] == 1.0
    assert statistics(steady, tempo_bpm=100.0)["on_grid"] == 0.0


def test_what_no_take_defines_is_nan():
    found = statistics(table((0.0, 60)), tempo_bpm=None)
    assert found["notes_per_second"] == 0.5
    assert all(math.isnan(found[name]) for name in ("interval", "steps", "on_grid"))
