"""Costs on work whose cost is known."""

import time

import numpy as np
import pytest
import torch
from torch import nn

from disco.metrics.efficiency import (
    cached_bytes,
    count_flops,
    disk_bytes,
    peak_memory,
    size_of,
    time_making,
)
from disco.nets.transformer import Cache, Decoder, Positions


def test_speed_is_work_over_sound_without_the_warm_up():
    waits = iter([0.2, 0.01, 0.01, 0.01, 0.03])

    def make():
        time.sleep(next(waits))
        return 0.1

    speed = time_making(make, repeats=4)
    assert len(speed.seconds) == 4
    assert speed.rtf_p50 == pytest.approx(0.1, rel=0.5)
    assert speed.rtf_p50 < speed.rtf_p95 < 1.0


def test_no_sound_has_no_speed():
    with pytest.raises(ValueError, match="no sound"):
        time_making(lambda: 0.0, repeats=1)


def test_a_linear_layer_has_two_operations_per_weight_and_row():
    layer = nn.Linear(64, 32)
    assert count_flops(lambda: layer(torch.zeros(10, 64))) == 2 * 64 * 32 * 10


def test_shared_and_frozen_parameters_are_counted_once_and_apart():
    module = nn.Sequential(nn.Linear(8, 8, bias=False), nn.Linear(8, 8, bias=False))
    module[1].weight = module[0].weight
    module.register_buffer("more", torch.zeros(10, dtype=torch.float64))
    size = size_of(module)
    assert (size.parameters, size.moving, size.weight_bytes) == (64, 64, 64 * 4 + 80)
    module[0].weight.requires_grad_(False)
    assert size_of(module).moving == 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="the GPU's memory is measured where there is one")
def test_memory_that_was_freed_again_is_seen():
    def work(megabytes):
        return lambda: np.ones(megabytes << 20, np.uint8).sum()

    small = peak_memory(work(1))
    assert peak_memory(work(200)) - small == pytest.approx(200 << 20, rel=0.15)
    assert peak_memory(work(1)) - small < 20 << 20


def test_files_have_their_size(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(b"12345")
    (tmp_path / "y").write_bytes(b"123")
    assert disk_bytes(tmp_path) == 8
    assert disk_bytes(tmp_path / "y") == 3


def test_the_cache_takes_what_the_formula_says():
    layers, width, steps, heard, batch = 3, 64, 100, 5, 2
    decoder = Decoder(
        width=width, depth=layers, heads=4, dropout=0.0, bias=False, cross=True, positions=Positions()
    ).eval()

    def play():
        cache, context = Cache(steps), torch.zeros(batch, heard, width)
        for _ in range(3):
            decoder(torch.zeros(batch, 1, width), context, None, cache)

    with torch.no_grad():
        held = cached_bytes(nn.Sequential(decoder), play)
    assert held == 2 * layers * width * (steps + heard) * batch * 4
    assert cached_bytes(nn.Linear(2, 2), lambda: None) == 0
