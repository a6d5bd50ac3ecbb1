"""What every embedder owes: the same sound gives the same points, kept by what the sound is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from disco.audio.clip import Clip
from disco.core import embedder as core
from disco.core.embedder import at_least, content, windows
from disco.errors import DiscoError
from tests.metrics.clouds import RATE, Direct

WIDTH = 10


@pytest.fixture(autouse=True)
def _forgetful() -> None:
    core._memory.clear()


def clip(seed: int = 0, channels: int = 1) -> Clip:
    return Clip(torch.randn(channels, 50, generator=torch.Generator().manual_seed(seed)), RATE)


def test_a_clip_is_heard_once_whoever_asks() -> None:
    ear = Direct(width=WIDTH)
    first = ear.embed(clip())
    assert np.array_equal(first, ear.embed(Clip(clip().wave.clone(), RATE)))
    assert ear.asked == 1


def test_another_clip_another_rate_or_another_setting_is_heard_anew() -> None:
    ear = Direct(width=WIDTH)
    ear.embed(clip(0))
    ear.embed(clip(1))
    assert ear.asked == 2
    other = Direct(width=5)
    assert other.embed(clip(0)).shape == (10, 5)
    assert content(clip(0)) != content(Clip(clip(0).wave, RATE // 2))
    assert content(clip(0)) != content(Clip(clip(0).wave.reshape(2, 25), RATE))


def test_points_outlive_the_process_and_go_stale_with_the_audio(tmp_path: Path) -> None:
    first = Direct(width=WIDTH, cache=str(tmp_path))
    points = first.embed(clip(0))
    core._memory.clear()
    again = Direct(width=WIDTH, cache=str(tmp_path))
    assert np.array_equal(again.embed(clip(0)), points)
    assert again.asked == 0
    changed = clip(0).wave.clone()
    changed[0, 3] += 0.01  # the file has the same name, but not the same sound
    assert not np.array_equal(again.embed(Clip(changed, RATE)), points)
    assert again.asked == 1


def test_a_broken_file_in_the_cache_is_named(tmp_path: Path) -> None:
    Direct(width=WIDTH, cache=str(tmp_path)).embed(clip(0))
    (file,) = tmp_path.rglob("*.safetensors")
    file.write_bytes(b"torn")
    core._memory.clear()
    with pytest.raises(DiscoError, match=file.name):
        Direct(width=WIDTH, cache=str(tmp_path)).embed(clip(0))


def test_channels_are_heard_together() -> None:
    both = clip(0, channels=2)
    assert np.allclose(Direct(width=WIDTH).embed(both), Direct(width=WIDTH).embed(both.mono()))


def test_nothing_to_hear_is_refused() -> None:
    with pytest.raises(DiscoError, match="without a sample"):
        Direct(width=WIDTH).embed(Clip(torch.zeros(1, 0), RATE))


def test_a_name_must_fit_the_name_of_a_number() -> None:
    class Loud(Direct):
        def __init__(self) -> None:
            core.Embedder.__init__(self, name="My Net/1", rate=RATE, fingerprint="", cache=None)

    with pytest.raises(ValueError, match="cannot name a measure"):
        Loud()


def test_windows_are_cut_and_a_short_wave_is_repeated() -> None:
    wave = torch.arange(7.0)
    assert windows(wave, 4, 2).tolist() == [[0, 1, 2, 3], [2, 3, 4, 5]]
    assert windows(wave[:3], 7, 2).tolist() == [[0, 1, 2, 0, 1, 2, 0]]
    assert at_least(wave, 7) is wave
