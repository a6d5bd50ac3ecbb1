"""The features stage leaves curves and facts, and lets the sound pass unchanged."""

from __future__ import annotations

import numpy as np
import pytest

from disco.errors import DiscoError
from tests.audio.sounds import RATE, band, clicks, played, tunes
from tests.stage.passing import noted, stage

SHAPES = {"mel": 128, "mfcc": 20, "chroma": 12, "contrast": 7}


def test_curves_have_their_shapes_and_one_rate() -> None:
    wave = played(tunes(1)[0].id, channels=2, seconds=8.0)
    notes = noted(wave, RATE, [stage("features"), stage("fingerprint")])
    frames = 1 + wave.shape[1] // 512
    assert notes.curve_rate == 62.5
    for name in ("mel", "mfcc", "chroma", "contrast", "centroid", "rms", "peak", "onset"):
        curve = notes.curves[name]
        assert curve.dtype == np.float32
        assert curve.shape == ((frames, SHAPES[name]) if name in SHAPES else (frames,))
    assert notes.curves["bandwidth_power"].shape == (1025,)
    assert notes.curves["fingerprint"].dtype == np.uint32
    assert notes.seconds == wave.shape[1] / RATE


def test_tempo_and_key_are_told_with_their_provenance() -> None:
    wave, lines = band(104.0, 4, seed=3)
    notes = noted(wave, RATE, [stage("features")])
    assert notes.fields["tempo"] == pytest.approx(104.0, rel=0.02)
    assert notes.fields["key"] == "Cmaj"
    assert notes.provenance == {"tempo": "analysis:features", "key": "analysis:features"}
    assert notes.features["beats_per_bar"] == 4
    downbeats = notes.curves["downbeats"]
    assert np.abs(downbeats[:, None] - lines[None, :]).min(1)[:8].max() < 0.05
    assert set(notes.curves["downbeats"]) <= set(notes.curves["beats"])


def test_what_has_no_beat_or_no_key_is_told_neither() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal((1, 12 * RATE))
    assert "tempo" not in noted(noise, RATE, [stage("features")]).fields
    silence = noted(np.zeros((1, RATE)), RATE, [stage("features")])
    assert silence.fields == {}
    assert all(np.isfinite(value) for value in silence.features.values())
    assert "tempo" in noted(clicks(100.0), RATE, [stage("features")]).fields


@pytest.mark.parametrize("length", [0, 1, 320])
def test_next_to_nothing_is_described_without_an_error(length: int) -> None:
    notes = noted(np.zeros((1, length)) + 0.1, RATE, [stage("features"), stage("fingerprint")])
    assert len(notes.curves["mel"]) == 1
    assert len(notes.curves["fingerprint"]) == 0


@pytest.mark.parametrize("block", [RATE, 777])
def test_mel_alone_is_the_mel_of_the_whole_and_nothing_else_is_found(block: int) -> None:
    wave = played(tunes(1)[0].id, channels=2, seconds=6.0)
    whole = noted(wave, RATE, [stage("features")])
    alone = noted(wave, RATE, [stage("features", mel_only=True), stage("fingerprint")], block)
    assert set(alone.curves) == {"mel", "rms", "peak", "fingerprint"}
    for name in ("mel", "rms", "peak"):
        assert alone.curves[name].shape == whole.curves[name].shape
        assert np.allclose(alone.curves[name], whole.curves[name], rtol=1e-4, atol=1e-7), name
    assert alone.curve_rate == whole.curve_rate
    assert alone.fields == {}
    with pytest.raises(DiscoError, match=r"segment needs downbeats, chroma, mfcc.* put features before"):
        stage("segment").conclude(alone)


@pytest.mark.parametrize("length", [0, 1, 320])
def test_mel_alone_of_next_to_nothing(length: int) -> None:
    notes = noted(np.zeros((1, length)) + 0.1, RATE, [stage("features", mel_only=True)])
    assert notes.curves["mel"].shape == (1, 128)
