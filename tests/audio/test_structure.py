"""Sections begin where harmony or instruments change."""

from __future__ import annotations

import numpy as np

from disco.audio.spectrum import describe
from disco.audio.structure import novelty, section_bounds
from tests.audio.sounds import RATE, played, tunes


def test_a_change_of_tune_and_instrument_is_a_bound() -> None:
    first, second = tunes(2)
    parts = [played(first.id, "piano", seconds=20.0), played(second.id, "violin", seconds=18.0, up=5)]
    parts.append(played(first.id, "piano", seconds=20.0))
    curves = describe(np.concatenate(parts, 1), RATE)
    bounds = section_bounds(*novelty(curves.chroma, curves.mfcc, curves.curve_rate))
    changes = np.cumsum([part.shape[1] for part in parts])[:2] / RATE
    for change in changes:
        assert np.abs(bounds - change).min() <= 1.0
    assert len(bounds) <= 5


def test_what_never_changes_has_no_bounds() -> None:
    time = np.arange(40 * RATE) / RATE
    tone = 0.3 * np.sin(2 * np.pi * 440 * time).astype(np.float32)
    curves = describe(tone[None], RATE)
    seconds, strength = novelty(curves.chroma[4:-4], curves.mfcc[4:-4], curves.curve_rate)
    assert strength.max() < 0.05
    assert len(seconds) == len(strength)
