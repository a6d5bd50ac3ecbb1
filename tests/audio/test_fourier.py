"""Power spectra are those of NumPy's transform, for any size and number of frames."""

from __future__ import annotations

import numpy as np
import pytest

from disco.audio.fourier import plan, power_spectra
from disco.audio.lanes import SIDE
from disco.audio.spectrum import Spectrum
from disco.errors import DiscoError


def spectra(samples: np.ndarray, n_fft: int, hop: int, count: int) -> np.ndarray:
    columns = np.full(n_fft + (SIDE - 1) * hop, np.nan, np.float32)
    room = np.full((2, n_fft // 2 * SIDE), np.nan, np.float32)
    power = np.full((n_fft // 2 + 1) * SIDE, np.nan, np.float32)
    power_spectra(samples, hop, count, *plan(n_fft), columns, *room, power)
    bins_first = power.reshape(-1, SIDE)
    assert not bins_first[:, count:].any()
    return bins_first[:, :count].T


@pytest.mark.parametrize("n_fft", [8, 16, 32, 512, 1024, 2048, 4096])
@pytest.mark.parametrize("count", [1, 5, SIDE])
def test_power_equals_numpys_in_every_bin(n_fft: int, count: int) -> None:
    hop = n_fft // 4
    samples = np.random.default_rng(0).standard_normal(n_fft + hop * (count - 1)).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64), n_fft)[::hop]
    wanted = np.abs(np.fft.rfft(frames * np.hanning(n_fft + 1)[:-1])) ** 2
    ours = spectra(samples, n_fft, hop, count)
    assert ours.shape == wanted.shape
    assert np.abs(ours - wanted).max() <= 2e-6 * wanted.max()


def test_a_tone_stands_130_db_above_what_lies_apart_from_it() -> None:
    tone = np.sin(2 * np.pi * 100 * np.arange(2048) / 2048).astype(np.float32)
    power = spectra(tone, 2048, 512, 1)[0]
    assert power[100] == pytest.approx(512.0**2, rel=1e-5)
    assert 10 * np.log10(np.delete(power, [99, 100, 101]).max() / power[100]) < -130


@pytest.mark.parametrize(("n_fft", "hop"), [(2000, 500), (2048, 2048), (2048, 0)])
def test_sizes_that_do_not_fit_are_refused(n_fft: int, hop: int) -> None:
    with pytest.raises(DiscoError, match=f"n_fft={n_fft}"):
        Spectrum(rate=32000, n_fft=n_fft, hop=hop, num_samples=0)
