"""Ratios in dB on mixtures whose ratio is known; spectral distances against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.signal
import torch

from disco.audio.clip import Clip
from disco.audio.distortion import MOST_DB, multi_stft_distance, si_sdr_db, snr_db, spectral_convergence
from disco.core.metric import Take
from disco.metrics.distortion import Distortion

RATE = 16000


def white(seed: int, channels: int = 1) -> torch.Tensor:
    return torch.randn(channels, 2 * RATE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def mixture(ratio_db: float) -> tuple[torch.Tensor, torch.Tensor]:
    """A wave, and the same with an unrelated one added so that they stand in this ratio."""
    wanted, noise = white(0), white(1)
    wanted = wanted - wanted.mean()
    noise = noise - noise.mean()
    noise = noise - (noise * wanted).sum() / wanted.square().sum() * wanted  # nothing of the wanted is in it
    noise = noise * (wanted.norm() / noise.norm()) * 10 ** (-ratio_db / 20)
    return wanted + noise, wanted


@pytest.mark.parametrize("ratio_db", [-10.0, 0.0, 7.5, 40.0])
def test_known_mixtures_have_their_ratio(ratio_db) -> None:
    assert snr_db(*mixture(ratio_db)) == pytest.approx(ratio_db, abs=0.01)
    assert si_sdr_db(*mixture(ratio_db)) == pytest.approx(ratio_db, abs=0.01)


def test_level_matters_to_one_and_not_to_the_other() -> None:
    made, wanted = mixture(20.0)
    assert si_sdr_db(0.1 * made, wanted) == pytest.approx(20.0, abs=0.01)
    assert snr_db(0.1 * made, wanted) < 1.0
    assert si_sdr_db(-made, wanted) == pytest.approx(20.0, abs=0.01)  # a copy upside down sounds the same


def test_agrees_with_torchmetrics() -> None:
    from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio, signal_noise_ratio

    made, wanted = 0.7 * white(2) + white(3), white(2)
    assert snr_db(made, wanted) == pytest.approx(float(signal_noise_ratio(made, wanted)), abs=1e-4)
    theirs = scale_invariant_signal_distortion_ratio(made, wanted, zero_mean=True)
    assert si_sdr_db(made, wanted) == pytest.approx(float(theirs), abs=1e-4)


def test_equal_waves_have_the_most_and_silence_the_least() -> None:
    wave = white(4)
    assert snr_db(wave, wave) == si_sdr_db(wave, wave) == MOST_DB
    assert si_sdr_db(torch.zeros_like(wave), wave) == -MOST_DB
    assert snr_db(torch.zeros_like(wave), wave) == pytest.approx(0.0)
    assert math.isnan(si_sdr_db(wave, torch.zeros_like(wave)))


def test_spectral_convergence_is_its_definition() -> None:
    made, wanted = white(5)[0].numpy(), white(6)[0].numpy()

    def magnitude(wave):
        _, _, found = scipy.signal.stft(
            wave, nperseg=512, noverlap=384, window=scipy.signal.get_window("hann", 512), padded=False
        )
        return np.abs(found)

    mine, theirs = magnitude(made), magnitude(wanted)
    expected = np.linalg.norm(theirs - mine) / np.linalg.norm(theirs)
    found = spectral_convergence(torch.from_numpy(made)[None], torch.from_numpy(wanted)[None], size=512)
    assert found == pytest.approx(expected, rel=1e-6)


def test_more_noise_is_farther_in_every_measure() -> None:
    found = []
    for ratio in (40.0, 20.0, 0.0):
        made, wanted = mixture(ratio)
        metric = Distortion(window=1024)
        metric.update([Take(clip=Clip(made, RATE))], [Take(clip=Clip(wanted, RATE))])
        found.append(metric.compute())
    for name, higher in Distortion.higher_is_better.items():
        values = [one[name] for one in found]
        assert values == sorted(values, reverse=bool(higher))


def test_a_short_clip_and_another_shape_are_no_trouble() -> None:
    made, wanted = Take(clip=Clip(white(7, 2)[:, :300], RATE)), Take(clip=Clip(white(8), RATE))
    metric = Distortion(window=256)
    metric.update([made], [wanted])
    assert all(math.isfinite(value) for value in metric.compute().values())


def test_a_silent_reference_is_left_out() -> None:
    wave = white(9)
    pairs = [(wave, wave), (wave, torch.zeros_like(wave))]
    metric = Distortion(window=1024)
    metric.update(*([Take(clip=Clip(one, RATE)) for one in side] for side in zip(*pairs, strict=True)))
    assert metric.compute()["snr_db"] == MOST_DB
    assert multi_stft_distance(wave, wave) == 0.0
