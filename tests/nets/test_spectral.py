"""Short-time spectra: physics of levels, perfect inversion, phase from magnitudes."""

import math

import pytest
import torch

from disco.nets.spectral import Stft, griffin_lim, log_level, mel_filters, relative_distance


def sine(hertz: float, rate: int = 16000, seconds: float = 1.0) -> torch.Tensor:
    time = torch.arange(round(rate * seconds)) / rate
    return torch.sin(2 * math.pi * hertz * time)[None]


def test_a_full_scale_sine_peaks_at_one_in_its_own_bin():
    magnitude = Stft(size=2048, hop=500).magnitude(sine(1000.0))
    inner = magnitude[0, :, 4:-4]
    assert inner.argmax(0).unique().tolist() == [128]  # 1000 Hz * 2048 / 16000
    assert torch.allclose(inner.max(0).values, torch.ones(inner.shape[1]), atol=0.01)


@pytest.mark.parametrize(("size", "hop"), [(2048, 500), (2048, 250), (1024, 256)])
def test_inverse_returns_the_wave(size, hop):
    wave = torch.randn(2, 8 * hop, generator=torch.Generator().manual_seed(0))
    stft = Stft(size=size, hop=hop)
    spectrum = stft(wave)
    assert spectrum.shape == (2, size // 2 + 1, 8)
    assert torch.allclose(stft.inverse(spectrum), wave, atol=1e-3)


def test_odd_pair_of_window_and_hop_is_refused():
    with pytest.raises(ValueError, match="cannot be centred"):
        Stft(size=2048, hop=501)


def test_mel_bands_keep_levels_and_have_no_empty_band():
    filters = mel_filters(16000, 512, 80)
    assert filters.shape == (80, 257)
    assert torch.allclose(filters.sum(1), torch.ones(80), atol=1e-5)
    centres = (filters * torch.arange(257)).sum(1)
    assert (centres.diff() > 0).all()


def test_log_level_is_zero_for_silence_and_counts_nepers_above_the_floor():
    silence, full = log_level(torch.tensor([0.0, 1.0])).tolist()
    assert silence == 0.0
    assert full == pytest.approx(math.log(1e3), abs=2e-3)


def test_griffin_lim_gives_a_chord_its_magnitudes_and_the_same_wave_each_time():
    chord = sum(sine(hertz) for hertz in (261.63, 329.63, 392.0)) / 4
    chord = chord * torch.linspace(1, 0.2, chord.shape[-1])
    stft = Stft(size=2048, hop=500)
    magnitude = stft.magnitude(chord)
    distances = []
    for steps in (0, 16):
        wave = griffin_lim(magnitude, stft, steps=steps, momentum=0.99)
        assert wave.shape == chord.shape
        distances.append(relative_distance(stft.magnitude(wave), magnitude).item())
    again = griffin_lim(magnitude, stft, steps=16, momentum=0.99)
    assert torch.equal(wave, again)
    assert distances[0] < 0.25  # the guess alone; random phase gives about 0.5
    assert distances[1] < 0.1


def test_griffin_lim_of_silence_is_silent():
    stft = Stft(size=512, hop=128)
    assert griffin_lim(torch.zeros(1, 257, 9), stft, steps=2, momentum=0.99).abs().max() < 1e-6


def test_an_item_of_a_batch_gets_the_wave_it_gets_alone():
    stft = Stft(size=512, hop=128)
    magnitude = torch.rand(3, 257, 12, generator=torch.Generator().manual_seed(1))
    together = griffin_lim(magnitude, stft, steps=3, momentum=0.5)
    alone = griffin_lim(magnitude[1:2], stft, steps=3, momentum=0.5)
    assert torch.allclose(together[1:2], alone, atol=1e-5)
