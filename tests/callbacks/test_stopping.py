"""Who stops training, when, and what it says; on series whose right answer is known."""

import pytest

from disco.callbacks import budget as budget_module
from disco.callbacks.budget import Budget
from disco.callbacks.early_stopping import EarlyStopping
from disco.callbacks.overfit_alarm import GrowingGap, OverfitAlarm
from disco.callbacks.quality_stop import Decline, QualityStop
from disco.core.checkpoint_io import read_checkpoint
from disco.errors import DiscoError
from tests.callbacks.toy_models import ToyAudio, fit, keeper

ON = "ignore:You're resuming from a checkpoint that ended before the epoch ended"


class Plain(ToyAudio):
    """A toy whose training loss and validation loss follow given series, one value per step and round."""

    def __init__(self, quality, loss=None):
        super().__init__()
        self.quality = quality
        self.losses = loss or [1 / (step + 1) for step in range(len(quality))]

    def training_step(self, batch, batch_index):
        self.log("train/loss", self.losses[self.trainer.global_step], batch_size=2)
        return self(batch).wave.square().mean() + 0 * self.gain

    def validation_step(self, batch, batch_index):
        self.log("val/loss", self.quality[self.trainer.global_step - 1], batch_size=2)


def stopped_at(module, tmp_path, *callbacks, **options):
    steps = options.pop("steps", len(module.quality))
    trainer = fit(module, tmp_path, list(callbacks), steps=steps, every_batches=1, logger=False, **options)
    return trainer.global_step


def patience(rounds, **changes):
    return EarlyStopping(
        **{"monitor": "val/loss", "mode": "min", "min_delta": 0.0, **changes, "patience": rounds}
    )


@pytest.mark.parametrize(
    ("series", "rounds", "mode", "stop"),
    [
        ([5, 4, 3, 3, 3, 3, 2, 1], 3, "min", 6),  # equal is not better
        ([5, 4, 3, 3, 3, 2, 3, 3, 3, 3], 3, "min", 9),  # one better round and patience begins anew
        ([5, 4, 3, 2, 1, 1, 1, 1], 8, "min", 8),  # never out of patience
        ([1, 2, 3, 2, 2, 9], 2, "max", 5),
    ],
)
def test_patience_is_counted_in_validation_rounds(series, rounds, mode, stop, tmp_path):
    assert (
        stopped_at(
            Plain([float(v) for v in series]), tmp_path, patience(rounds, mode=mode, monitor="val/loss")
        )
        == stop
    )


@pytest.mark.filterwarnings(ON)
@pytest.mark.parametrize("cut", [2, 4, 5])
def test_patience_outlives_a_resume(cut, tmp_path):
    series = [5.0, 4.0, 3.0, 3.0, 3.0, 3.0, 2.0, 1.0]
    for steps, resume in ((cut, False), (8, True)):
        callbacks = (patience(3, monitor="val/loss"), keeper())
        stop = stopped_at(Plain(series), tmp_path, *callbacks, steps=steps, resume=resume)
    assert stop == 6


def test_patience_says_why_it_ends(tmp_path, capsys):
    stopped_at(Plain([2.0, 3.0, 3.0]), tmp_path, patience(2, monitor="val/loss"))
    assert (
        "early_stopping: val/loss was best at 2 and has not got better for 2 rounds"
        in capsys.readouterr().err
    )


def test_patience_with_a_measure_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DiscoError, match=r"early_stopping.monitor=val/fad: .*choose from val/"):
        stopped_at(Plain([2.0]), tmp_path, patience(2, monitor="val/fad"))


@pytest.mark.parametrize(
    ("quality", "loss", "mode", "counts"),
    [
        ([1, 2, 3, 4], [4, 3, 2, 1], "min", [0, 1, 2, 3]),
        ([1, 2, 3, 4], [1, 2, 3, 4], "min", [0, 0, 0, 0]),  # the loss rises too: that is another illness
        ([1, 2, 1, 2], [4, 3, 2, 1], "min", [0, 1, 0, 1]),
        ([4, 3, 2, 1], [4, 3, 2, 1], "max", [0, 1, 2, 3]),
        ([4, 3, 2, 1], [4, 3, 2, 1], "min", [0, 0, 0, 0]),
    ],
)
def test_a_decline_is_worse_quality_while_the_loss_falls(quality, loss, mode, counts):
    decline = Decline(mode)
    assert [decline.see(q, v) for q, v in zip(quality, loss, strict=True)] == counts


@pytest.mark.filterwarnings(ON)
@pytest.mark.parametrize("cut", [0, 3, 4])
def test_quality_that_worsens_while_the_loss_falls_stops_the_run(cut, tmp_path):
    quality = [3.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    loss = [7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]
    for steps, resume in ((cut, False), (7, True))[0 if cut else 1 :]:
        callbacks = (QualityStop(monitor="val/loss", mode="min", rounds=3), keeper())
        stop = stopped_at(Plain(quality, loss), tmp_path, *callbacks, steps=steps, resume=resume and cut > 0)
    assert stop == 5


@pytest.mark.parametrize(
    ("train", "val", "counts"),
    [
        ([4, 3, 2, 1], [4, 4, 4, 4], [0, 1, 2, 3]),
        ([4, 3, 2, 1], [2, 1.5, 1, 0.5], [0, 0, 0, 0]),  # validation is better than training: dropout
        ([4, 3, 3, 1], [4, 4, 4, 4], [0, 1, 0, 1]),
    ],
)
def test_a_growing_gap_is_counted_where_validation_is_worse(train, val, counts):
    gap = GrowingGap()
    assert [gap.see(float(t), float(v)) for t, v in zip(train, val, strict=True)] == counts


def test_the_alarm_rings_once(tmp_path, capsys):
    series = Plain([5.0] * 8, [5.0, 4.5, 4.0, 3.5, 3.0, 2.5, 2.0, 1.5])
    assert stopped_at(series, tmp_path, OverfitAlarm(rounds=3)) == 8
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("overfit_alarm")]
    assert len(told) == 1
    assert "val 5 and train 3.5" in told[0]


def limits(**changes):
    return Budget(**{"hours": None, "gpu_hours": None, "steps": None, "disk_gb": None, **changes})


@pytest.fixture
def half_hours(monkeypatch):
    """Let every step take half an hour."""
    now = [0.0]

    class Clock:
        @staticmethod
        def monotonic():
            return now[0]

    class Long(ToyAudio):
        def on_train_batch_start(self, batch, batch_idx):
            now[0] += 1800.0

    monkeypatch.setattr(budget_module, "time", Clock)
    return Long


@pytest.mark.filterwarnings(ON)
@pytest.mark.parametrize(
    ("limit", "more", "stop", "then"),
    [
        ({"hours": 1.5}, {"hours": 2.5}, 3, 5),
        ({"gpu_hours": 2.0}, {"gpu_hours": 3.0}, 4, 6),
        ({"steps": 2}, {"steps": 7}, 2, 7),
        ({"hours": 1.4}, {"hours": 100.0}, 3, 9),
    ],
)
def test_a_run_stops_within_a_step_of_its_limit_and_goes_on_with_more(
    limit, more, stop, then, half_hours, tmp_path, capsys
):
    first = fit(half_hours(), tmp_path, [limits(**limit), keeper()], steps=9, logger=False)
    assert first.global_step == stop
    assert "budget: " in capsys.readouterr().err
    saved = read_checkpoint(tmp_path / "checkpoints/last.ckpt")
    assert saved["global_step"] == stop
    again = fit(half_hours(), tmp_path, [limits(**more), keeper()], steps=9, logger=False, resume=True)
    assert again.global_step == then, "time counts over both parts"


def test_a_run_with_nothing_left_is_refused(half_hours, tmp_path):
    fit(half_hours(), tmp_path, [limits(hours=1.0), keeper()], steps=9, logger=False)
    with pytest.raises(DiscoError, match=r"the budget is spent: 1:00:00 of callbacks.budget.hours=1.0"):
        fit(half_hours(), tmp_path, [limits(hours=1.0), keeper()], steps=9, logger=False, resume=True)


def test_a_full_run_folder_stops_the_run(tmp_path, monkeypatch):
    now = iter(range(10**6))
    monkeypatch.setattr(budget_module.time, "monotonic", lambda: float(next(now)))

    class Writing(ToyAudio):
        def on_train_batch_end(self, outputs, batch, batch_idx):
            (tmp_path / f"{batch_idx}.bin").write_bytes(bytes(1000))

    trainer = fit(Writing(), tmp_path, [limits(disk_gb=2.5e-6)], steps=9, logger=False)
    assert trainer.global_step == 4, "three files are seen after the fourth step"
