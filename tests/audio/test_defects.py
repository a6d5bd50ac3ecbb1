"""Each measure answers to its defect and to no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from disco.audio.defects import find_defects
from disco.audio.resample import resample
from disco.audio.wavefile import read_wave, write_wave
from tests.audio.sounds import played, tunes

RATE = 44100


def pink(shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Noise of equal power per octave, RMS 1."""
    spectrum = np.fft.rfft(generator.standard_normal(shape))
    spectrum[..., 1:] /= np.sqrt(np.arange(1, spectrum.shape[-1]))
    spectrum[..., 0] = 0
    noise = np.fft.irfft(spectrum, shape[-1])
    return noise / noise.std()


def hum(shape: tuple[int, ...], mains: float, level_db: float) -> np.ndarray:
    """Mains hum with two harmonics."""
    time = np.arange(shape[-1]) / RATE
    tones = [np.sin(2 * np.pi * mains * h * time + h) / h for h in (1, 2, 3)]
    return np.broadcast_to(10 ** (level_db / 20) * np.sum(tones, 0), shape)


@pytest.fixture(scope="module")
def wave() -> np.ndarray:
    return played(tunes(1)[0].id, "piano", channels=2, rate=RATE, seconds=12.0)


@pytest.mark.parametrize("share", [0.001, 0.01])
def test_clipped_samples_are_counted(wave: np.ndarray, share: float) -> None:
    limit = np.quantile(np.abs(wave), 1 - share)
    found = find_defects(np.clip(wave / limit, -1, 1), RATE).clipped_share
    assert 0.4 * share <= found <= share
    assert find_defects(wave / np.abs(wave).max(), RATE).clipped_share == 0, (
        "a peak at full scale is no clipping"
    )


@pytest.mark.parametrize("mains", [50.0, 60.0])
@pytest.mark.parametrize("level_db", [-50.0, -40.0])
def test_hum_is_measured(wave: np.ndarray, mains: float, level_db: float) -> None:
    assert find_defects(wave, RATE).hum_db == -120
    found = find_defects(wave + hum(wave.shape, mains, level_db), RATE).hum_db
    power = 10 * np.log10(0.5 * (1 + 1 / 4 + 1 / 9))
    assert found == pytest.approx(level_db + power, abs=1.5)


def test_a_bass_note_beside_the_mains_is_no_hum() -> None:
    time = np.arange(20 * RATE) / RATE
    for hz in (49.0, 51.913, 58.27, 61.735):  # G1, G#1, A#1, B1
        note = sum(np.sin(2 * np.pi * hz * h * time) / h for h in (1, 2, 3))
        note = note * np.exp(-(time % 2.0))
        assert find_defects(0.2 * note[None].astype(np.float32), RATE).hum_db == -120


@pytest.mark.parametrize("snr_db", [10.0, 20.0, 30.0])
def test_signal_to_noise_is_estimated_without_bias(snr_db: float) -> None:
    """Of noise that can be heard: pink noise from 86 Hz up."""
    off = []
    for number, instrument in enumerate(INSTRUMENTS):
        wave = played(tunes(6)[number].id, instrument, channels=2, rate=RATE, seconds=12.0)
        noise = audible(pink(wave.shape, np.random.default_rng(number)))
        noisy = wave + wave.std() * 10 ** (-snr_db / 20) * noise
        off.append(find_defects(noisy.astype(np.float32), RATE).snr_db - snr_db)
    assert abs(np.median(off)) < 1.5, off
    assert np.abs(off).max() < 6.0, off


def audible(noise: np.ndarray) -> np.ndarray:
    """What is left of noise above 86 Hz, RMS 1."""
    spectrum = np.fft.rfft(noise)
    spectrum[..., : round(86 * noise.shape[-1] / RATE)] = 0
    left = np.fft.irfft(spectrum, noise.shape[-1])
    return left / left.std()


def test_a_clean_recording_is_far_above_its_noise(wave: np.ndarray) -> None:
    assert find_defects(wave, RATE).snr_db > 40


def test_soft_hum_is_found_in_the_rests_of_what_covers_it() -> None:
    """A bass that plays right beside the mains, and pauses now and then."""
    time = np.arange(40 * RATE) / RATE
    playing = (time % 10) < 4
    note = sum(np.sin(2 * np.pi * 51.9 * h * time) / h for h in (1, 2, 3)) * playing
    bass = 0.2 * np.stack([note, note]) * np.exp(-(time % 2.0) / 3)
    assert find_defects(bass.astype(np.float32), RATE).hum_db == -120
    found = find_defects((bass + hum(bass.shape, 50.0, -60.0)).astype(np.float32), RATE).hum_db
    assert found == pytest.approx(-60 + 10 * np.log10(0.5 * (1 + 1 / 4 + 1 / 9)), abs=2.0)


@pytest.mark.parametrize("low_rate", [22050, 32000])
def test_an_upsampled_file_ends_at_its_old_rate(wave: np.ndarray, low_rate: int) -> None:
    generator = np.random.default_rng(0)
    bright = wave + 1e-3 * generator.standard_normal(wave.shape).astype(np.float32)
    assert find_defects(bright, RATE).bandwidth_share == 1
    found = find_defects(resample(resample(bright, RATE, low_rate), low_rate, RATE), RATE).bandwidth_share
    assert found == pytest.approx(low_rate / RATE, abs=0.04)


def test_an_mp3_of_low_rate_ends_at_its_shelf(tmp_path: Path, wave: np.ndarray) -> None:
    generator = np.random.default_rng(0)
    bright = (wave + 3e-3 * generator.standard_normal(wave.shape)).astype(np.float32)
    write_wave(tmp_path / "a.mp3", bright, RATE)
    lossy, _ = read_wave(tmp_path / "a.mp3")
    assert find_defects(lossy, RATE).bandwidth_share < 0.95


def test_stereo_is_told_from_copies_and_from_mirrors(wave: np.ndarray) -> None:
    true = find_defects(wave, RATE)
    assert true.side_db is not None
    assert true.side_db > -45
    copies = find_defects(wave[:1].repeat(2, 0), RATE)
    assert copies.side_db == -120
    mirrored = find_defects(np.stack([wave[0], -wave[1]]), RATE)
    assert true.correlation is not None
    assert mirrored.correlation == pytest.approx(-true.correlation, abs=1e-4)
    assert find_defects(wave[:1], RATE).side_db is None


INSTRUMENTS = ("piano", "violin", "flute", "guitar", "clarinet", "harpsichord")
Spoil = Callable[[np.ndarray, np.random.Generator], np.ndarray]
SPOILS: dict[str, tuple[Spoil, Callable[..., float]]] = {
    "clipping": (
        lambda w, g: np.clip(w / np.quantile(np.abs(w), g.uniform(0.97, 0.9995)), -1, 1),
        lambda d: d.clipped_share,
    ),
    "dc_offset": (lambda w, g: w + g.choice([-1, 1]) * g.uniform(0.02, 0.1), lambda d: d.dc_offset),
    "hum": (lambda w, g: w + hum(w.shape, g.choice([50.0, 60.0]), g.uniform(-60, -30)), lambda d: d.hum_db),
    "noise": (
        lambda w, g: w + w.std() * 10 ** (g.uniform(-25, -10) / 20) * pink(w.shape, g),
        lambda d: -d.snr_db,
    ),
    "inverted_phase": (lambda w, g: w * np.array([[1], [-g.uniform(0.5, 1)]]), lambda d: -d.correlation),
    "too_quiet": (lambda w, g: w * 10 ** (g.uniform(-55, -40) / 20), lambda d: -d.loud_db),
    "mono_as_stereo": (lambda w, g: w.mean(0, keepdims=True).repeat(2, 0), lambda d: -d.side_db),
    "silent": (lambda w, g: w * 10 ** (g.uniform(-100, -65) / 20), lambda d: -d.peak_db),
    "bandwidth": (
        lambda w, g: resample(
            resample(w.astype(np.float32), RATE, rate := int(g.choice([16000, 22050, 32000]))), rate, RATE
        ),
        lambda d: -d.bandwidth_share,
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("code", SPOILS)
def test_spoilt_mixes_rank_above_clean_ones(code: str) -> None:
    """ROC area on 100 mixes of two renders, half of them spoilt by a random amount."""
    spoil, measure = SPOILS[code]
    generator = np.random.default_rng(0)
    clean, spoilt = [], []
    for number in range(100):
        one, other = generator.choice(len(MIXED), 2, replace=False)
        parts = [played(tunes(12)[i].id, MIXED[i], channels=2, rate=RATE, seconds=10.0) for i in (one, other)]
        length = min(part.shape[1] for part in parts)
        mix = sum(part[:, :length] * generator.uniform(0.2, 0.7) for part in parts)
        if number % 2:
            spoilt.append(measure(find_defects(spoil(mix, generator), RATE)))
        else:
            clean.append(measure(find_defects(mix, RATE)))
    area = mannwhitneyu(spoilt, clean).statistic / (len(spoilt) * len(clean))
    assert area >= 0.95, f"{code}: ROC area {area:.3f}"


MIXED = INSTRUMENTS * 2


SUSTAINED = ("violin", "flute", "accordion", "organ", "oboe", "clarinet", "trumpet")


@pytest.mark.parametrize("instrument", SUSTAINED)
def test_breath_bows_and_reeds_are_no_noise_and_noise_behind_them_is_found(instrument: str) -> None:
    """What is steady here and there is music; what is steady all the way up is noise."""
    wave = played(tunes(3)[len(instrument) % 3].id, instrument, channels=2, rate=RATE, seconds=12.0)
    assert find_defects(wave, RATE).snr_db > 25
    noise = pink(wave.shape, np.random.default_rng(1))
    found = find_defects((wave + wave.std() * 10 ** (-17 / 20) * noise).astype(np.float32), RATE)
    assert found.snr_db < 25


def test_noise_is_judged_wherever_a_coder_has_cut_the_top_off(wave: np.ndarray) -> None:
    noisy = wave + wave.std() * 10 ** (-17 / 20) * pink(wave.shape, np.random.default_rng(1))
    dull = resample(resample(noisy.astype(np.float32), RATE, 22050), 22050, RATE)
    assert find_defects(dull, RATE).snr_db < 25


def test_of_a_few_seconds_nothing_is_said_of_noise(wave: np.ndarray) -> None:
    noisy = wave + wave.std() * 10 ** (-10 / 20) * pink(wave.shape, np.random.default_rng(1))
    assert find_defects(noisy[:, : 6 * RATE].astype(np.float32), RATE).snr_db == 120
