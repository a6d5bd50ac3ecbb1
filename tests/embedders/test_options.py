"""Every embedder that needs no weights from elsewhere: repeatable, deaf to nothing, finite on silence."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from disco.apps.compose import build
from disco.apps.launch import CONF
from disco.audio.clip import Clip
from disco.core.embedder import Embedder

OPTIONS = ("musicnn", "musicnn_tags", "logmel", "bands")  # the others' weights are in no package
RATE = 16000


@cache
def ear(option: str) -> Embedder:
    return build(OmegaConf.load(CONF / "embedder" / f"{option}.yaml"), "embedder")


def chord(seconds: float = 4.0, root: float = 220.0) -> Clip:
    time = torch.arange(int(seconds * RATE)) / RATE
    wave = sum(torch.sin(2 * math.pi * root * ratio * time) for ratio in (1.0, 1.25, 1.5))
    assert isinstance(wave, torch.Tensor)
    return Clip(0.1 * wave[None], RATE)


@pytest.mark.parametrize("option", OPTIONS)
def test_the_same_sound_gives_the_same_points_whatever_stands_beside_it(option) -> None:
    direct = ear(option).hear(chord().resampled(ear(option).rate).wave[0])
    assert np.array_equal(direct, ear(option).hear(chord().resampled(ear(option).rate).wave[0]))
    assert np.allclose(direct, ear(option).embed(chord()), atol=1e-5)
    assert direct.ndim == 2
    assert len(direct) > 1


@pytest.mark.parametrize("option", OPTIONS)
def test_other_sounds_have_other_points(option) -> None:
    here, there = ear(option).embed(chord()), ear(option).embed(chord(root=880.0))
    assert np.abs(here - there).max() > 0.05


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("seconds", [0.01, 0.5, 3.0])
def test_a_short_clip_has_a_point(option, seconds) -> None:
    assert len(ear(option).embed(chord(seconds))) >= 1


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("level", [0.0, 1.0])
def test_silence_and_the_loudest_sound_are_finite(option, level) -> None:
    square = level * chord(4.0).wave.sign()
    assert np.isfinite(ear(option).embed(Clip(square, RATE))).all()


def test_shares_of_energy_sum_to_one() -> None:
    assert ear("bands").embed(chord()).sum(1) == pytest.approx(1.0, abs=1e-5)


def test_log_mel_points_move_by_the_gain() -> None:
    noise = torch.randn(1, 2 * RATE, generator=torch.Generator().manual_seed(0))
    soft, loud = (ear("logmel").embed(Clip(gain * noise, RATE)) for gain in (0.05, 0.1))
    bands = soft.shape[1] // 2
    assert (loud - soft)[:, :bands] == pytest.approx(math.log(2), abs=1e-3)
    assert (loud - soft)[:, bands:] == pytest.approx(0.0, abs=1e-3)
