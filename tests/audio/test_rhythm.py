"""Tempo, beats and bar lines are found where they were put, and nothing is found in noise."""

from __future__ import annotations

import numpy as np
import pytest

from disco.audio.rhythm import find_bars, find_beats, find_tempo
from disco.audio.spectrum import describe
from disco.stage.features import beat_accents
from tests.audio.sounds import RATE, band, clicks

FRAMES = RATE / 512


def test_tempo_of_clicks_is_within_4_percent() -> None:
    right, octaves, tempos = 0, 0, np.linspace(60, 180, 41)
    for bpm in tempos:
        tempo = find_tempo(describe(clicks(bpm, seconds=12.0), RATE).onset, FRAMES)
        right += abs(tempo.bpm / bpm - 1) <= 0.04
        octaves += min(abs(tempo.bpm / bpm / factor - 1) for factor in (0.5, 2.0)) <= 0.04
        assert tempo.confidence > 0.5
    assert right >= 0.95 * len(tempos), f"{right} of {len(tempos)}, {octaves} an octave off"


@pytest.mark.parametrize("bpm", [66.0, 100.0, 143.0])
def test_beats_fall_on_clicks(bpm: float) -> None:
    onset = describe(clicks(bpm), RATE).onset
    beats = find_beats(onset, FRAMES, find_tempo(onset, FRAMES).bpm)
    written = np.arange(0.1, 19.9, 60 / bpm)
    apart = np.abs(written[:, None] - beats[None, :]).min(1)
    assert (apart < 0.025).mean() >= 0.95


def test_noise_and_held_chords_have_no_confident_tempo() -> None:
    generator = np.random.default_rng(0)
    noise = 0.1 * generator.standard_normal((1, 15 * RATE)).astype(np.float32)
    time = np.arange(15 * RATE) / RATE
    chord = (
        sum(np.sin(2 * np.pi * hz * time) for hz in (220.0, 277.18, 329.63))[None].astype(np.float32) * 0.1
    )
    for wave in (noise, chord, np.zeros_like(noise)):
        assert find_tempo(describe(wave, RATE).onset, FRAMES).confidence < 0.2


@pytest.mark.long
def test_bar_lines_of_synthetic_pieces_are_found() -> None:
    right = 0
    pieces = [(bpm, metre) for bpm in (72, 88, 104, 120, 132, 150) for metre in (3, 4)]
    for seed, (bpm, metre) in enumerate(pieces):
        wave, lines = band(bpm, metre, seed)
        curves = describe(wave, RATE)
        tempo = find_tempo(curves.onset, FRAMES)
        beats = find_beats(curves.onset, FRAMES, tempo.bpm)
        bars = find_bars(beats, beat_accents(beats, curves))
        near = np.abs(bars.lines[:, None] - lines[None, :]).min(1)
        inside = bars.lines < lines[-1]
        right += bars.metre == metre and (near[inside] < 0.05).mean() >= 0.95
    assert right >= 0.95 * len(pieces)


def test_accents_tell_metre_and_phase() -> None:
    beats = np.arange(48) * 0.5
    generator = np.random.default_rng(1)
    for metre, phase in ((3, 2), (4, 1)):
        accents = generator.standard_normal((48, 2)) + 3.0 * (np.arange(48) % metre == phase)[:, None]
        bars = find_bars(beats, accents)
        assert (bars.metre, bars.lines[0]) == (metre, phase * 0.5)
        assert bars.confidence > 0.5
    assert find_bars(beats, generator.standard_normal((48, 2))).confidence < 0.5
