"""Batches of like length: little padding, few shapes, every item once, the same order everywhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from disco.core import datamodule
from disco.core.batch import AudioBatch, Conditions
from disco.core.buckets import PARTS, SHORTEST, Cut, choose_buckets, grouped
from disco.core.contracts import seeded
from disco.core.datamodule import EpochOrder

LONG_TAIL = np.clip(np.random.default_rng(0).lognormal(np.log(0.2), 0.8, 2000), 0.02, 1.0)


def waste(lengths: np.ndarray, count: int) -> float:
    """The share of what is served that is padding, if every item is padded to its bucket."""
    buckets = choose_buckets(lengths.tolist(), count)
    padded = np.array(buckets.edges)[list(buckets.of_item)] / PARTS
    assert (padded >= lengths - 1e-6).all(), "no item is longer than its bucket"
    return float(1 - lengths.sum() / padded.sum())


def test_more_buckets_leave_less_padding_and_one_is_none() -> None:
    found = [waste(LONG_TAIL, count) for count in (1, 2, 4, 8, 16, 32)]
    assert found == sorted(found, reverse=True)
    assert found[0] > 0.3
    assert found[4] < 0.08
    assert found[5] < 0.05
    assert choose_buckets(LONG_TAIL.tolist(), 1).edges == (PARTS,)


@settings(max_examples=60, deadline=None)
@given(lengths=st.lists(st.floats(0.001, 1.0), min_size=1, max_size=30), count=st.integers(1, 3))
def test_the_padding_is_the_least_that_so_many_lengths_allow(lengths: list[float], count: int) -> None:
    parts = np.ceil(np.array(lengths) * PARTS - 1e-6).clip(SHORTEST, PARTS)

    def padding(edges: tuple[int, ...]) -> float:
        return sum(min(edge for edge in edges if edge >= one) - one for one in parts)

    candidates = sorted({*parts.astype(int).tolist(), PARTS})
    every = [(PARTS,)]
    if count > 1:
        every += [(one, PARTS) for one in candidates]
    if count > 2:
        every += [(one, other, PARTS) for one in candidates for other in candidates]
    found = choose_buckets(lengths, count)
    assert len(found.edges) <= count
    assert padding(found.edges) == min(padding(edges) for edges in every)


def test_a_batch_is_of_one_bucket_and_every_item_comes_once() -> None:
    of_item = choose_buckets(LONG_TAIL.tolist(), 8).of_item
    order = torch.randperm(2000, generator=seeded(3)).tolist()
    found = grouped(order, of_item, 16, seeded(4))
    assert sorted(found) == list(range(2000))
    batches = [found[first : first + 16] for first in range(0, 2000, 16)]
    mixed = [batch for batch in batches if len({of_item[index] for index in batch}) > 1]
    assert len(mixed) <= 8, "only what is left of the buckets"
    assert max(of_item[index] for index in batches[0]) == max(of_item)
    again = [grouped(order, of_item, 16, seeded(seed)) for seed in (4, 5)]
    assert again[0] == found != again[1]


def test_processes_share_batches_of_like_length_as_they_share_others(monkeypatch: pytest.MonkeyPatch) -> None:
    buckets = choose_buckets(LONG_TAIL[:300].tolist(), 6)

    def batches(rank: int, world: int, batch: int) -> list:
        monkeypatch.setattr(datamodule, "_world", lambda: (rank, world))
        order = EpochOrder(300, batch, seed=3, shuffle=True, buckets=buckets)
        order.set_epoch(2)
        assert len(list(order)) == len(order)
        return list(order)

    for together, *parts in zip(batches(0, 1, 8), batches(0, 2, 4), batches(1, 2, 4), strict=True):
        assert sorted(together) == sorted(item for part in parts for item in part)


def test_padding_behind_the_longest_item_is_left_out_in_few_shapes() -> None:
    def collate(lengths: list[int]) -> AudioBatch:
        said = Conditions(text=(None,) * len(lengths))
        wave = torch.zeros(len(lengths), 1, 1000)
        for row, length in zip(wave, lengths, strict=True):
            row[:, :length] = length / 1000
        return AudioBatch(wave=wave, valid=torch.tensor(lengths), rate=1000, conditions=said)

    cut = Cut(collate, (64, 128, 256))
    shapes = {tuple(cut([one, other]).wave.shape) for one in range(1, 1001, 37) for other in (5, 250, 251)}
    assert shapes == {(2, 1, 250), (2, 1, 500), (2, 1, 1000)}
    batch = cut([100, 400])
    assert torch.equal(batch.wave, collate([100, 400]).wave[..., :500])
    assert batch.wave.untyped_storage().nbytes() == 4 * batch.wave.numel(), "no worker sends what is cut off"
