"""Pieces begin on bar lines, are of about one length, overlap exactly and leave nothing out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from disco.core.stage import Notes, Source
from disco.errors import DiscoError
from tests.audio.sounds import RATE, band, played, tunes
from tests.stage.passing import noted, stage


def bare(seconds: float, confidence: float, bar: float = 2.0) -> Notes:
    """Notes of a long recording with bar lines, without any sound."""
    source = Source(
        path=Path("a"), name="a", key="0" * 16, rate=RATE, channels=1, frames=round(seconds * RATE)
    )
    notes = Notes(source=source, rate=RATE, channels=1, seconds=seconds, curve_rate=62.5)
    frames = 1 + int(seconds * 62.5)
    notes.curves = {
        "downbeats": np.arange(0.3, seconds, bar),
        "chroma": np.zeros((frames, 12), np.float32),
        "mfcc": np.zeros((frames, 20), np.float32),
    }
    notes.features = {"tempo_confidence": confidence, "bar_confidence": confidence}
    return notes


@pytest.mark.parametrize("seed", range(60))
def test_pieces_cover_everything_within_limits(seed: int) -> None:
    generator = np.random.default_rng(seed)
    seconds, overlap, bar = generator.uniform([1.0, 0.0, 0.8], [400.0 if seed % 3 else 40.0, 5.0, 6.0])
    confidence = float(seed % 2)
    notes = bare(float(seconds), confidence, float(bar))
    stage("segment", overlap=float(overlap)).conclude(notes)
    assert [problem.code for problem in notes.problems] == (["too_short"] if seconds < 10 else [])
    if seconds <= 30:
        assert notes.segments == []
        return
    starts, ends = np.array(notes.segments).T
    assert starts[0] == 0
    assert ends[-1] == seconds
    assert np.allclose(ends[:-1] - starts[1:], overlap, atol=1e-9), "the overlap is exact"
    assert (ends - starts).max() <= 30 + 1e-6
    assert (ends - starts).min() >= 10 - 1e-6


def test_lengths_are_balanced() -> None:
    notes = bare(125.0, 1.0)
    stage("segment").conclude(notes)
    lengths = np.diff(np.array(notes.segments), axis=1)
    assert len(lengths) == 6
    assert np.ptp(lengths) <= 4.0, "two bars"
    unsure = bare(125.0, 0.0)
    stage("segment").conclude(unsure)
    assert np.ptp(np.diff(np.array(unsure.segments), axis=1)) < 1e-9


def test_only_what_is_kept_is_cut() -> None:
    notes = bare(100.0, 1.0)
    notes.kept = (4.0, 95.5)
    stage("segment").conclude(notes)
    assert (notes.segments[0][0], notes.segments[-1][1]) == (4.0, 95.5)


def test_a_section_begins_a_piece_where_it_costs_little() -> None:
    segment = stage("segment")
    lines = np.arange(0.0, 60.0, 2.0)
    assert 20.0 in segment.cuts(0.0, 60.0, lines, np.zeros(0))
    assert 18.0 in segment.cuts(0.0, 60.0, lines, np.array([18.2]))


def test_without_features_before_it_the_stage_says_so() -> None:
    notes = bare(100.0, 1.0)
    notes.curves.clear()
    for name in ("segment", "fingerprint"):
        with pytest.raises(DiscoError, match="put features before"):
            stage(name).conclude(notes)
    with pytest.raises(DiscoError, match="cannot cut"):
        stage("segment", shortest=20.0)


@pytest.mark.long
def test_cuts_of_synthetic_pieces_fall_on_bar_lines() -> None:
    cuts, by_chance = [], []
    generator = np.random.default_rng(0)
    for seed in range(20):
        bpm, metre = generator.uniform(70, 160), int(generator.choice([3, 4]))
        wave, lines = band(bpm, metre, seed, repeats=int(np.ceil(70 / (8 * metre * 60 / bpm))))
        notes = noted(wave, RATE, [stage("features"), stage("segment")])
        starts = np.array(notes.segments)[1:, 0]
        cuts.extend(np.abs(starts[:, None] - lines[None, :]).min(1))
        anywhere = generator.uniform(0, lines[-1], 50)
        by_chance.extend(np.abs(anywhere[:, None] - lines[None, :]).min(1))
    share = np.mean(np.array(cuts) <= 0.05)
    assert share >= 0.95, f"{share:.3f} of {len(cuts)}"
    assert np.mean(np.array(by_chance) <= 0.05) < 0.15


def test_a_real_tune_is_cut_within_limits() -> None:
    notes = noted(played(tunes(1)[0].id, seconds=45.0), RATE, [stage("features"), stage("segment")])
    if notes.seconds > 30:
        lengths = np.diff(np.array(notes.segments), axis=1)
        assert lengths.min() >= 10
        assert lengths.max() <= 30
