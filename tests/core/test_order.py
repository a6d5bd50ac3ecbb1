"""The order of training examples: a function of seed and epoch, shared out over processes."""

from __future__ import annotations

import pytest

from disco.core import datamodule
from disco.core.datamodule import EpochOrder


def batches(monkeypatch: pytest.MonkeyPatch, *, rank: int, world: int, batch: int, epoch: int = 0) -> list:
    monkeypatch.setattr(datamodule, "_world", lambda: (rank, world))
    order = EpochOrder(37, batch, seed=3, shuffle=True)
    order.set_epoch(epoch)
    return list(order)


def test_two_processes_see_together_what_one_sees_with_twice_the_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = batches(monkeypatch, rank=0, world=1, batch=8)
    halves = [batches(monkeypatch, rank=rank, world=2, batch=4) for rank in (0, 1)]
    for together, *parts in zip(one, *halves, strict=True):
        assert sorted(together) == sorted(item for part in parts for item in part)


def test_each_epoch_has_its_own_order_and_each_seed_gives_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first, again, second = (batches(monkeypatch, rank=0, world=1, batch=8, epoch=e) for e in (0, 0, 1))
    assert first == again
    assert [i for b in first for _, i in b] != [i for b in second for _, i in b]


def test_an_epoch_visits_every_item_at_most_once_and_drops_less_than_a_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    visited = [index for batch in batches(monkeypatch, rank=0, world=1, batch=8) for _, index in batch]
    assert len(visited) == len(set(visited)) == 32


def test_less_than_a_batch_is_repeated_rather_than_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datamodule, "_world", lambda: (0, 1))
    (batch,) = list(EpochOrder(3, 8, seed=0, shuffle=True))
    assert len(batch) == 8
    assert {index for _, index in batch} == {0, 1, 2}


def test_validation_covers_everything_once_over_all_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    for rank in (0, 1):
        monkeypatch.setattr(datamodule, "_world", lambda rank=rank: (rank, 2))
        seen += [index for batch in EpochOrder(11, 4, seed=0, shuffle=False) for _, index in batch]
    assert sorted(seen) == list(range(11))
