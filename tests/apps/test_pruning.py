"""A search hears of every validation round of a point, and may give it up after one."""

from __future__ import annotations

from pathlib import Path

import pytest

from disco.apps.sweep.points import Point, read_point, read_rows
from disco.apps.sweep.pruning import Prune
from tests.callbacks.toy_models import ToyAudio, fit, keeper


class Trial:
    """Stands for Optuna's: it gives up after so many rounds."""

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.told: dict[int, float] = {}

    def report(self, value: float, step: int) -> None:
        self.told[step] = value

    def should_prune(self) -> bool:
        return len(self.told) >= self.patience


def pruned(folder: Path, *, patience: int) -> Trial:
    trial = Trial(patience)
    Point(words=["model=symbolic", "optim.lr=1"]).write(folder)
    fit(ToyAudio(), folder, [keeper(), Prune(trial, folder)], logger=False, steps=9, trial=1)
    return trial


def test_a_point_that_is_given_up_stops_after_that_round_and_is_saved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trial = pruned(tmp_path / "0", patience=2)
    assert list(trial.told) == [3, 6], "a trial batch before the first step is no round"
    assert trial.told[6] < trial.told[3]
    point = read_point(tmp_path / "0")
    assert point is not None
    assert point.pruned_at == 6
    assert "pruned after step 6: val/loss is" in capsys.readouterr().err
    assert (tmp_path / "0" / "checkpoints" / "last.ckpt").is_file()


def test_a_point_that_has_come_to_its_end_is_not_given_up(tmp_path: Path) -> None:
    trial = pruned(tmp_path / "0", patience=3)
    assert list(trial.told) == [3, 6, 9]
    point = read_point(tmp_path / "0")
    assert point is not None
    assert point.pruned_at is None


def test_what_was_given_up_stands_behind_what_finished_however_low_its_loss(tmp_path: Path) -> None:
    Point(words=["optim.lr=1"], state="pruned", value=0.1, pruned_at=3).write(tmp_path / "0")
    Point(words=["optim.lr=2"], state="finished", value=2.0).write(tmp_path / "1")
    assert [row.folder.name for row in read_rows(tmp_path)] == ["1", "0"]
