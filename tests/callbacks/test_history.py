"""The history file of a real fit, and the report's reader of it."""

import json
import math
from dataclasses import replace

import pytest

from disco.callbacks.history import History
from disco.errors import DiscoError
from disco.report.history import read_lines
from tests.callbacks.toy_models import ToyAudio, fit


def rows(folder):
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


def test_lines_hold_training_and_validation_values_apart(tmp_path):
    fit(ToyAudio(), tmp_path, [History(every_steps=2)])
    found = rows(tmp_path)
    training = [row for row in found if "train/loss" in row]
    validation = [row for row in found if "val/loss" in row]
    assert [row["step"] for row in training] == [2, 4, 6]
    assert [row["step"] for row in validation] == [3, 6]
    assert not [row for row in found if "train/loss" in row and "val/loss" in row]
    assert training[0]["lr"] == 0.05
    assert training[-1]["train/loss"] < training[0]["train/loss"]
    assert all(isinstance(value, float | int) for row in found for value in row.values())


def test_a_second_fit_appends_and_its_steps_count(tmp_path):
    fit(ToyAudio(), tmp_path, [History(every_steps=2)])
    before = rows(tmp_path)
    fit(ToyAudio(), tmp_path, [History(every_steps=2)])
    assert rows(tmp_path)[: len(before)] == before
    (line,) = read_lines(tmp_path / "history.jsonl", ["train/loss"])
    assert list(line.steps) == [2, 4, 6]
    second = next(row for row in rows(tmp_path)[len(before) :] if row["step"] == 2)
    assert line.values[0] == second["train/loss"]


def test_a_diverged_loss_is_null_and_read_as_a_gap(tmp_path):
    class Diverging(ToyAudio):
        def forward(self, batch):
            out = super().forward(batch)
            return replace(out, wave=out.wave * math.nan)

    fit(Diverging(), tmp_path, [History(every_steps=2)])
    assert [row["train/loss"] for row in rows(tmp_path) if "train/loss" in row] == [None, None, None]
    (line,) = read_lines(tmp_path / "history.jsonl", ["train/loss"])
    assert all(math.isnan(value) for value in line.values)


def test_a_last_line_cut_short_is_passed_over_and_another_refused(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_text('{"step": 1, "val/loss": 2.0}\n{"step": 2, "val')
    (line,) = read_lines(path, ["val/loss", "train/loss"])
    assert (list(line.steps), list(line.values)) == ([1], [2.0])
    path.write_text('{"step": 1, "val\n{"step": 2, "val/loss": 2.0}\n')
    with pytest.raises(DiscoError, match="line 1"):
        read_lines(path, ["val/loss"])
