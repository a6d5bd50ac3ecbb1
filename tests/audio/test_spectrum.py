"""The curves are librosa's, whatever the blocks in which the stream came."""

from __future__ import annotations

import librosa
import numpy as np
import pytest

from disco.audio.spectrum import Spectrum, describe
from tests.audio.sounds import RATE, played, tunes


@pytest.fixture(scope="module")
def wave() -> np.ndarray:
    return played(tunes(1)[0].id, seconds=8.0)


@pytest.mark.parametrize("rate", [22050, 32000, 44100])
def test_mel_equals_librosas(wave: np.ndarray, rate: int) -> None:
    ours = describe(wave, rate).mel.T
    theirs = librosa.feature.melspectrogram(y=wave[0], sr=rate, n_fft=2048, hop_length=512, center=True)
    assert ours.shape == theirs.shape
    assert np.linalg.norm(ours - theirs) <= 1e-4 * np.linalg.norm(theirs)
    loud = theirs > 1e-6 * theirs.max()
    assert np.abs(ours / theirs - 1)[loud].max() <= 1e-3, "also in soft bands"


def test_mfcc_contrast_centroid_and_level_equal_librosas(wave: np.ndarray) -> None:
    ours = describe(wave, RATE)
    mfcc = librosa.feature.mfcc(y=wave[0], sr=RATE, n_mfcc=20)
    assert np.linalg.norm(ours.mfcc.T - mfcc) <= 1e-4 * np.linalg.norm(mfcc)
    rms = librosa.feature.rms(y=wave[0])[0]
    assert np.abs(ours.rms - rms).max() <= 1e-5
    sounding = rms > 1e-3
    centroid = librosa.feature.spectral_centroid(y=wave[0], sr=RATE)[0]
    assert np.abs(ours.centroid / np.maximum(centroid, 1) - 1)[sounding].max() <= 1e-3
    air = 1e-3 * np.random.default_rng(0).standard_normal(wave.shape).astype(np.float32)  # no empty valleys
    ours = describe(wave + air, RATE)
    contrast = librosa.feature.spectral_contrast(y=(wave + air)[0], sr=RATE)
    assert np.abs(ours.contrast.T - contrast)[:, sounding].max() <= 0.05


@pytest.mark.parametrize("block", [1, 511, 4096, 100_000])
def test_blocks_of_any_size_give_the_same_curves(wave: np.ndarray, block: int) -> None:
    some = wave[:, : 3000 if block == 1 else 40_001]
    whole, spectrum = describe(some, RATE), Spectrum(rate=RATE, n_fft=2048, hop=512, num_samples=0)
    for first in range(0, some.shape[1], block):
        spectrum.push(some[:, first : first + block])
    pieces = spectrum.finish()
    for name in ("mel", "mfcc", "chroma", "contrast", "centroid", "rms", "peak", "onset"):
        assert np.allclose(getattr(pieces, name), getattr(whole, name), rtol=1e-4, atol=1e-4), name


def test_a_c_major_triad_shows_c_e_and_g() -> None:
    time = np.arange(2 * RATE) / RATE
    triad = sum(
        np.sin(2 * np.pi * hz * partial * time) / partial
        for hz in (261.63, 329.63, 392.0)
        for partial in range(1, 5)
    )
    chroma = describe((0.1 * triad[None]).astype(np.float32), RATE).chroma
    assert set(chroma.mean(0).argsort()[-3:].tolist()) == {0, 4, 7}
    assert chroma[10:-10].max(1) == pytest.approx(1.0)


@pytest.mark.parametrize("pitch_class", range(12))
def test_a_note_shows_its_pitch_class_alone(pitch_class: int) -> None:
    hz = 440 * 2 ** ((pitch_class + 3 * 12 - 45) / 12)
    tone = 0.3 * np.sin(2 * np.pi * hz * np.arange(RATE) / RATE).astype(np.float32)
    chroma = describe(tone[None], RATE).chroma[5:-5].mean(0)
    assert chroma.argmax() == pitch_class
    assert np.sort(chroma)[-2] < 0.1


def test_two_channels_give_the_spectrum_of_their_mean_and_the_level_of_both(wave: np.ndarray) -> None:
    pair = np.concatenate([wave, -0.5 * wave])
    ours, mean = describe(pair, RATE), describe(pair.mean(0, keepdims=True), RATE)
    assert np.allclose(ours.mel, mean.mel, rtol=1e-4, atol=1e-7)
    assert np.allclose(ours.rms, describe(wave, RATE).rms * np.sqrt(0.625), rtol=1e-3, atol=1e-6)
    assert np.abs(ours.peak - describe(wave, RATE).peak).max() == 0


def test_silence_and_nothing_are_finite() -> None:
    for length in (0, 1, RATE):
        curves = describe(np.zeros((1, length), np.float32), RATE)
        assert len(curves.mel) == 1 + length // 512
        for name in ("mel", "mfcc", "chroma", "contrast", "centroid", "rms", "peak", "onset"):
            assert np.isfinite(getattr(curves, name)).all(), name
