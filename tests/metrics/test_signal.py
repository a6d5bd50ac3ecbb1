"""Signal health on waves with known faults."""

import math

import pytest
import torch

from disco.audio.clip import Clip
from disco.core.metric import Take
from disco.metrics.signal import Signal


def health(wave, *, seconds=1.0, rate=16000):
    metric = Signal(silence_db=-60.0, max_clipped=0.0001, max_length_error=0.1, min_rate=16000)
    metric.update([Take(clip=Clip(wave, rate), seconds=seconds)])
    return metric.compute()


def sine(amplitude, seconds=1.0, rate=16000):
    return amplitude * torch.sin(2 * math.pi * 440 * torch.arange(int(seconds * rate)) / rate)[None]


def test_a_half_scale_sine_has_its_textbook_level():
    found = health(sine(0.5))
    assert found["rms_db"] == pytest.approx(20 * math.log10(0.5 / math.sqrt(2)), abs=0.01)
    assert found["peak"] == pytest.approx(0.5, abs=1e-3)
    assert found["ok"] == 1.0


def test_a_clamped_sine_is_clipped_for_the_share_of_its_period_beyond_one():
    found = health(sine(2.0).clamp(-1, 1))
    assert found["clipped"] == pytest.approx(2 / 3, abs=0.01)  # |sin| > 1/2 for two thirds of a period
    assert found["ok"] == 0.0


def test_silence_is_a_fault_with_a_finite_level():
    found = health(torch.zeros(1, 16000))
    assert found["silent"] == 1.0
    assert found["ok"] == 0.0
    assert math.isfinite(found["rms_db"])


@pytest.mark.parametrize(
    "case",
    [
        {"wave": sine(0.5, 0.8)},
        {"wave": sine(0.5, rate=8000), "rate": 8000},
        {"wave": sine(0.5).index_fill(1, torch.tensor([7]), math.nan)},
    ],
    ids=["short", "low rate", "nan"],
)
def test_each_fault_alone_is_enough(case):
    assert health(**case)["ok"] == 0.0


def test_the_peak_between_the_samples_is_found():
    phase = 2 * math.pi * 4000 * torch.arange(16000) / 16000 + math.pi / 4
    quarter = torch.sin(phase)[None]  # no sample lies on its peak
    found = health(0.7 * quarter / quarter.abs().max())
    assert found["peak"] == pytest.approx(0.7, abs=1e-3)
    assert found["true_peak_db"] == pytest.approx(20 * math.log10(0.7 * math.sqrt(2)), abs=0.2)


@pytest.mark.parametrize("edge", [1000.0, 3000.0, 6000.0])
def test_the_bandwidth_of_filtered_noise_is_its_edge(edge):
    spectrum = torch.fft.rfft(torch.randn(32000, generator=torch.Generator().manual_seed(0)))
    spectrum[int(edge * 2) :] = 0
    wave = torch.fft.irfft(spectrum)[None]
    assert health(0.1 * wave / wave.std(), seconds=2.0)["bandwidth"] == pytest.approx(edge, rel=0.03)


def test_silence_has_no_bandwidth():
    assert math.isnan(health(torch.zeros(1, 16000))["bandwidth"])
