"""Divergences against SciPy, and on sounds whose spectra are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.spatial.distance
import scipy.stats
import torch

from disco.audio.clip import Clip
from disco.core.metric import Take
from disco.embedders.bands import Bands
from disco.embedders.musicnn_tags import MusicnnTags
from disco.metrics.divergence import distribution, jensen_shannon, kullback_leibler
from disco.metrics.kl import Kl


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.dirichlet(np.ones(20)), rng.dirichlet(np.ones(20))


def test_equals_scipy(pair) -> None:
    p, q = pair
    assert kullback_leibler(p, q) == pytest.approx(scipy.stats.entropy(p, q), rel=1e-12)
    assert jensen_shannon(p, q) == pytest.approx(scipy.spatial.distance.jensenshannon(p, q) ** 2, rel=1e-9)


def test_one_is_symmetric_and_the_other_is_not(pair) -> None:
    p, q = pair
    assert jensen_shannon(p, q) == pytest.approx(jensen_shannon(q, p), rel=1e-12)
    assert abs(kullback_leibler(p, q) - kullback_leibler(q, p)) > 0.01
    assert kullback_leibler(p, p) == jensen_shannon(q, q) == 0.0


def test_what_has_nothing_in_common_is_ln_2_apart() -> None:
    p, q = distribution(np.array([1.0, 0, 0])), distribution(np.array([0, 0, 2.0]))
    assert jensen_shannon(p, q) == pytest.approx(math.log(2), rel=1e-6)
    assert math.isfinite(kullback_leibler(p, q))


def test_nothing_at_all_is_spread_evenly_and_less_than_nothing_is_refused() -> None:
    assert distribution(np.zeros(4)).tolist() == [0.25] * 4
    with pytest.raises(ValueError, match="negative"):
        distribution(np.array([1.0, -0.1]))


def noise(low: float, high: float, gain: float = 0.1) -> Take:
    """Four seconds of noise between two frequencies."""
    spectrum = torch.fft.rfft(torch.randn(64000, generator=torch.Generator().manual_seed(0)))
    hertz = torch.arange(len(spectrum)) * 16000 / 64000
    wave = torch.fft.irfft(spectrum * ((hertz >= low) & (hertz < high)))
    return Take(clip=Clip(gain * wave[None] / wave.std(), 16000))


def band(made: Take, reference: Take) -> dict[str, float]:
    metric = Kl(bands=Bands(rate=16000, bands=32, window=1.0, cache=None), tags=None, min_windows=2)
    metric.update([made], [reference])
    return {name.rpartition("/")[2]: value for name, value in metric.compute().items()}


def test_level_does_not_matter_and_colour_does() -> None:
    full = noise(50, 8000)
    assert band(noise(50, 8000, 0.01), full)["js"] < 1e-6
    apart = [band(noise(50, high), full)["js"] for high in (7000, 4000, 1500)]
    assert apart == sorted(apart)
    assert apart[-1] > 0.2


def test_the_direction_tells_whether_something_is_missing_or_too_much() -> None:
    dull = band(noise(50, 2000), noise(50, 8000))
    shrill = band(noise(50, 8000), noise(50, 2000))
    assert dull["kl_reference_made"] > 2 * dull["kl_made_reference"]
    assert shrill["kl_made_reference"] == pytest.approx(dull["kl_reference_made"], rel=1e-6)


@pytest.mark.slow
def test_bands_and_tags_stand_side_by_side_each_under_its_name() -> None:
    tags = MusicnnTags(trained="mtt", hop=1.0, cache=None)
    metric = Kl(bands=Bands(rate=16000, bands=32, window=1.0, cache=None), tags=tags, min_windows=2)
    metric.update([noise(50, 1000)], [noise(50, 1000), noise(50, 8000)])
    found = metric.compute()
    assert found.keys() == metric.higher_is_better.keys()
    assert {name.rpartition("/")[0] for name in found} == {"bands-32", "musicnn-tags"}
    assert all(value > 0 for value in found.values())
    assert len(metric) == 1


def test_a_comparison_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="both are null"):
        Kl(bands=None, tags=None, min_windows=2)
