"""A loader names the piece at which it fails, waits for none too long, and goes on with other batches."""

from __future__ import annotations

import os
import signal
import time
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils.data import Dataset

from disco.core import datamodule
from disco.core.datamodule import EpochOrder
from disco.core.loader import Loader
from disco.errors import DiscoError
from tests.core.resuming import ToneData

BAD = 5


class Pieces(Dataset):
    """Twelve pieces, one of which is trouble."""

    def __init__(self, trouble: str) -> None:
        self.trouble = trouble

    def __len__(self) -> int:
        return 12

    def records(self) -> list[Any]:
        return [SimpleNamespace(id=f"piece-{index:02d}") for index in range(12)]

    def __getitem__(self, key: tuple[int, int]) -> torch.Tensor:
        if key[1] == BAD:
            match self.trouble:
                case "raises":
                    raise ValueError("the file ends early")
                case "refuses":
                    raise DiscoError("its checksum is not right", do="rerun prepare")
                case "dies":
                    time.sleep(0.3)  # so that the batch before is on its way
                    os.kill(os.getpid(), signal.SIGKILL)
                case "hangs":
                    time.sleep(60)
        return torch.tensor(key[1])


def loader(trouble: str, *, workers: int, batch: int = 3, collate=torch.stack) -> Loader:
    order = EpochOrder(12, batch, seed=0, shuffle=False)
    return Loader(Pieces(trouble), order, collate=collate, num_workers=workers, seed=0, patience=6.0)


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        ("raises", "ValueError: the file ends early; repair it"),
        ("refuses", "its checksum is not right; rerun"),
    ],
)
def test_a_piece_that_cannot_be_read_is_named(trouble: str, told: str, workers: int) -> None:
    batches = iter(loader(trouble, workers=workers))
    assert next(batches).tolist() == [0, 1, 2]
    with pytest.raises(DiscoError) as caught:
        next(batches)
    assert str(caught.value).startswith(f"piece-05 cannot be served (epoch 0): {told}")
    assert "__getitem__" in str(caught.value.__cause__), "where in the code is not lost"


@pytest.mark.long
@pytest.mark.parametrize(
    ("trouble", "told"),
    [("dies", "exited unexpectedly|killed by signal"), ("hangs", "timed out after 6.0 seconds")],
)
def test_a_loader_process_that_dies_or_hangs_ends_the_run_in_time_with_its_pieces(
    trouble: str, told: str
) -> None:
    serving, since = loader(trouble, workers=1), time.monotonic()
    with pytest.raises(DiscoError, match=told) as caught:
        list(serving)
    assert time.monotonic() - since < 30
    assert "batch 2 of epoch 0 (piece-03, piece-04, piece-05) was awaited" in str(caught.value)
    assert serving.state_dict() == {"epoch": 0, "batches": 1}, "the position is not lost"


def test_pieces_that_do_not_fit_together_are_named() -> None:
    def fails(items: list[Any]) -> Any:
        raise TypeError("items of two kinds")

    with pytest.raises(DiscoError, match=r"batch 1 of epoch 0 \(piece-00, .* cannot be joined: TypeError"):
        next(iter(loader("none", workers=0, collate=fails)))


# ------------------------------------------------------------------ other numbers of processes


def going_on(asked: int, state: dict[str, int], *, world: int, monkeypatch: pytest.MonkeyPatch) -> ToneData:
    monkeypatch.setattr(datamodule, "_world", lambda: (0, world))
    data = ToneData(batch_size=asked, num_workers=0, seed=3)
    data.load_state_dict(state)
    return data


@pytest.mark.parametrize(("before", "now", "each"), [(2, 1, 8), (1, 2, 2), (4, 2, 8), (2, 2, 4)])
def test_what_all_take_together_stays(before: int, now: int, each: int, monkeypatch) -> None:
    monkeypatch.setattr(datamodule, "_world", lambda: (0, before))
    state = ToneData(batch_size=4, num_workers=0, seed=3).state_dict()
    data = going_on(4, state, world=now, monkeypatch=monkeypatch)
    assert data.batch_size == each
    assert data.pace == 1
    again = going_on(4, data.state_dict(), world=before, monkeypatch=monkeypatch)
    assert again.batch_size == 4, "and back"


def test_a_batch_that_cannot_be_shared_is_refused(monkeypatch) -> None:
    with pytest.raises(DiscoError, match=r"3 processes cannot share batches of 8 evenly; choose a number"):
        going_on(4, {"asked": 4, "together": 8}, world=3, monkeypatch=monkeypatch)


def test_another_batch_size_goes_on_at_the_same_piece(monkeypatch) -> None:
    data = going_on(2, {"asked": 8, "together": 8}, world=1, monkeypatch=monkeypatch)
    assert data.batch_size == 2
    order = EpochOrder(12, 2, seed=0, shuffle=False)
    small = Loader(Pieces("none"), order, collate=torch.stack, num_workers=0, seed=0)
    small.pace = data.pace
    small.load_state_dict({"epoch": 0, "batches": 1})
    assert next(iter(small)).tolist() == [8, 9], "eight were handed out"
