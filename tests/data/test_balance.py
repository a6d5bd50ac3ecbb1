"""Rare kinds are drawn more often when asked, by a rule of seed and epoch alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from disco.core import datamodule
from disco.core.datamodule import EpochOrder
from disco.core.views import AudioView
from disco.data.balance import balanced
from disco.errors import DiscoError
from tests.data.folder import RATE, record, serving, write

SKEWED = [record(f"r{n}", 4.0, genre=["rock"] if n % 10 else ["jazz"]) for n in range(500)]


def drawn(weights: list[float], epochs: int = 10, *, seed: int = 0, batch: int = 1) -> list[tuple[int, int]]:
    order = EpochOrder(len(weights), batch, seed=seed, shuffle=True, weights=weights)
    found = []
    for epoch in range(epochs):
        order.set_epoch(epoch)
        found += [item for items in order for item in items]
    return found


@pytest.mark.parametrize(("power", "share"), [(1.0, 0.1), (0.5, 0.25), (0.0, 0.5)])
def test_shares_are_those_of_the_power(power: float, share: float) -> None:
    weights = balanced(SKEWED, "genre", power)
    items = drawn(weights)
    assert len(items) == 5000
    jazz = sum(SKEWED[index].genre == ["jazz"] for _, index in items) / 5000
    assert jazz == pytest.approx(share, abs=0.002)
    assert sum(weights) / 500 == pytest.approx(1.0)


def test_power_one_is_every_item_once_in_every_epoch() -> None:
    items = drawn(balanced(SKEWED, "genre", 1.0), epochs=3)
    assert Counter(index for _, index in items) == dict.fromkeys(range(500), 3)


def test_an_item_that_comes_again_in_an_epoch_is_another_crop() -> None:
    items = drawn(balanced(SKEWED, "genre", 0.0))
    assert len(set(items)) == len(items), "no (epoch, index) twice: each has a crop of its own"
    assert max(Counter(index for _, index in items).values()) > 30


def test_the_order_depends_on_seed_and_epoch_and_processes_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = balanced(SKEWED, "genre", 0.0)
    assert drawn(weights) == drawn(weights)
    assert drawn(weights) != drawn(weights, seed=1)
    one = drawn(weights, 1, batch=8)
    halves = []
    for rank in (0, 1):
        monkeypatch.setattr(datamodule, "_world", lambda rank=rank: (rank, 2))
        halves.append(drawn(weights, 1, batch=4))
    assert [item for pair in zip(*halves, strict=True) for item in pair] == one


def test_several_values_and_none_are_weighed() -> None:
    records = [record("a", 1.0, genre=["x", "y"]), record("b", 1.0, genre=["x"]), record("c", 1.0)]
    both, x, none = balanced(records, "genre", 0.0)
    assert none == pytest.approx(2 * x), "x is heard from two pieces, silence from one"
    assert both == pytest.approx((x + none) / 2), "the mean of a common and a rare value"
    for wrong in ("gerne", "features"):
        with pytest.raises(DiscoError, match=f"balance_by={wrong}"):
            balanced(records, wrong, 0.5)


def test_a_loader_serves_rare_pieces_more_often_and_validation_as_ever(tmp_path: Path) -> None:
    pieces = [record(f"r{n}", 1.0, artist="often") for n in range(9)] + [record("rare", 1.0, artist="rare")]
    write(tmp_path, [*pieces, record("held", 1.0, split="val", artist="often")])
    data = serving(tmp_path, AudioView(rate=RATE, channels=1, seconds=1.0), batch_size=2)
    data.balance_by, data.balance_power = "artist", 0.0
    assert data.weights("train") == pytest.approx([5 / 9] * 9 + [5.0])
    loader = data.train_dataloader()
    indices = [index for items in loader.order for _, index in items]  # pyright: ignore
    assert indices.count(9) == 5
    assert len(list(loader)) == 5
    assert len(list(data.val_dataloader())) == 1
