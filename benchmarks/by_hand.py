"""Preparation as it is written by hand, with librosa and pyloudnorm."""

from __future__ import annotations

import warnings
from pathlib import Path

import librosa
import numpy as np
import pyloudnorm
import soundfile

RATE, HOP = 32_000, 512


def peak_and_mel(source: Path, target: Path) -> np.ndarray:
    """The common loop: mono, resample, peak normalisation, mel in decibels, two files."""
    y, rate = librosa.load(source, sr=None)
    y = librosa.resample(y, orig_sr=rate, target_sr=RATE)
    y = librosa.util.normalize(y)
    mel = librosa.feature.melspectrogram(y=y, sr=RATE, n_fft=2048, hop_length=HOP, n_mels=128)
    level = librosa.power_to_db(mel, ref=np.max)
    soundfile.write(target / source.name, y, RATE)
    np.save(target / f"{source.stem}_mel.npy", level)
    return level


def everything(source: Path, target: Path) -> dict[str, np.ndarray]:
    """Stereo, resample, -14 LUFS, trim, fades, and every feature by its own function."""
    y, rate = librosa.load(source, sr=None, mono=False)
    y = librosa.resample(y, orig_sr=rate, target_sr=RATE)
    loudness = pyloudnorm.Meter(RATE).integrated_loudness(y.T)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of samples beyond full scale
        y = pyloudnorm.normalize.loudness(y.T, loudness, -14.0).T
    y, _ = librosa.effects.trim(y, top_db=60)
    rise = np.sin(np.arange(RATE // 100) * np.pi / 2 / (RATE // 100))
    y[:, : len(rise)] *= rise
    y[:, -len(rise) :] *= rise[::-1]
    mono = librosa.to_mono(y)
    mel = librosa.feature.melspectrogram(y=mono, sr=RATE, n_fft=2048, hop_length=HOP, n_mels=128)
    tempo, beats = librosa.beat.beat_track(y=mono, sr=RATE, hop_length=HOP)
    found = {
        "mel": librosa.power_to_db(mel),
        "mfcc": librosa.feature.mfcc(y=mono, sr=RATE, n_mfcc=20, hop_length=HOP),
        "chroma": librosa.feature.chroma_stft(y=mono, sr=RATE, hop_length=HOP),
        "contrast": librosa.feature.spectral_contrast(y=mono, sr=RATE, hop_length=HOP),
        "centroid": librosa.feature.spectral_centroid(y=mono, sr=RATE, hop_length=HOP),
        "rms": librosa.feature.rms(y=mono, hop_length=HOP),
        "onset": librosa.onset.onset_strength(y=mono, sr=RATE, hop_length=HOP),
        "tempo": np.asarray(tempo),
        "beats": beats,
        "loudness": np.asarray(loudness),
    }
    soundfile.write(target / source.name, y.T, RATE)
    np.savez(target / f"{source.stem}.npz", **found)  # pyright: ignore[reportArgumentType]
    return found
