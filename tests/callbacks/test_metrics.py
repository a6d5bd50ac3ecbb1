"""The measures of evaluation while training: logged where others watch them, within their share of time."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import lightning as L
import pytest

from disco.apps.compose import build
from disco.callbacks import metrics as module
from disco.callbacks.early_stopping import EarlyStopping
from disco.core.metric import Metric
from disco.errors import DiscoError
from tests.callbacks.toy_models import ToyAudio, ToyCodec, ToyScore, fit, keeper
from tests.composing import composed_config


def metrics(*words: str) -> module.Metrics:
    words = ("model=symbolic", "callbacks=[metrics]", "callbacks.metrics.player.seconds=1.0", *words)
    cfg = composed_config("train", list(words), Path("nowhere"))
    return build(cfg.callbacks.metrics, "callbacks.metrics")


@pytest.mark.parametrize("model", [ToyAudio, ToyCodec, ToyScore])
def test_what_a_model_makes_is_measured_each_round(model: type, tmp_path: Path) -> None:
    trainer = fit(model(), tmp_path, [keeper(), metrics("metric@callbacks.metrics.metrics=[signal]")])
    assert 0 <= float(trainer.callback_metrics["val/signal/ok"]) <= 1
    assert float(trainer.callback_metrics["val/signal/rate"]) in (16000, 32000)
    assert 0 < float(trainer.callback_metrics["metrics/share"]) <= 1


def test_others_can_watch_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: 0.0))  # measuring costs nothing
    watch = EarlyStopping(monitor="val/signal/rms_db", mode="max", patience=1, min_delta=100.0)
    trainer = fit(ToyAudio(), tmp_path, [keeper(), metrics(), watch], steps=12)
    assert trainer.global_step == 6, "no round is better by a hundred decibels than the first"


class Slow(Metric):
    """Takes its time."""

    needs = frozenset({"made"})
    higher_is_better = {"value": True}  # noqa: RUF012

    def measure(self, made, reference):
        return 1.0

    def summarise(self, rows):
        return {"value": 1.0}


def test_a_round_that_would_cost_too_much_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    callback = metrics("metric@callbacks.metrics.metrics=[signal]")
    callback.metrics = {"slow": Slow()}
    clock = iter(range(10_000))
    monkeypatch.setattr(module.time, "monotonic", lambda: float(next(clock)))
    fit(ToyAudio(), tmp_path, [keeper(), callback], steps=12, every_batches=3)
    assert callback.measured == 1
    assert callback.left_out == 3
    assert "3 left out to keep to 5%" in capsys.readouterr().err


def test_a_metric_that_must_know_the_training_data_is_refused(tmp_path: Path) -> None:
    callback = metrics("metric@callbacks.metrics.metrics=[signal]")
    callback.metrics["signal"].needs = frozenset({"made", "training"})
    with pytest.raises(DiscoError, match="must know the training data"):
        fit(ToyAudio(), tmp_path, [keeper(), callback])


def test_prompts_of_ones_own_have_no_real_music_to_pair_with(tmp_path: Path) -> None:
    words = ("metric@callbacks.metrics.metrics=[beats]", "callbacks.metrics.player.prompts=[{text: a reel}]")
    with pytest.raises(DiscoError, match="take by take"):
        fit(ToyAudio(), tmp_path, [keeper(), metrics(*words)])


def test_a_round_that_was_left_out_does_not_wear_out_patience(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    callback = metrics("metric@callbacks.metrics.metrics=[signal]")
    callback.metrics = {"slow": Slow()}
    clock = iter(range(10_000))
    monkeypatch.setattr(module.time, "monotonic", lambda: float(next(clock)))
    watch = EarlyStopping(monitor="val/slow/value", mode="max", patience=1, min_delta=0.0)
    trainer = fit(ToyAudio(), tmp_path, [keeper(), callback, watch], steps=12, every_batches=3)
    assert (callback.measured, callback.left_out) == (1, 3)
    assert trainer.global_step == 12, "one measured round proves nothing"


class Captions(Slow):
    """Remembers what was asked."""

    asked: ClassVar[list[str | None]] = []

    def measure(self, made, reference):
        self.asked.append(made.asked.caption)
        return 1.0


def test_captions_reach_the_metrics(tmp_path: Path) -> None:
    callback = metrics("metric@callbacks.metrics.metrics=[signal]")
    callback.metrics = {"captions": Captions()}
    fit(ToyAudio(), tmp_path, [keeper(), callback], steps=3)
    assert Captions.asked[:2] == ["a tone", "a higher tone"]


class Pace(L.Callback):
    """Gives every step the time that a step of a model of use takes at least."""

    def on_train_batch_end(self, *_args: object) -> None:
        """Wait."""
        time.sleep(0.02)


@pytest.mark.long
def test_by_a_real_clock_measuring_takes_no_more_than_its_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole hook is timed from outside; only what the first round took may come on top."""
    callback = metrics("metric@callbacks.metrics.metrics=[signal,fd_logmel]")
    inside = callback.on_validation_epoch_end
    rounds: list[float] = []

    def timed(*given: L.Trainer) -> None:
        begun = time.perf_counter()
        inside(*given)
        rounds.append(time.perf_counter() - begun)

    monkeypatch.setattr(callback, "on_validation_epoch_end", timed)
    begun = time.perf_counter()
    fit(ToyAudio(), tmp_path, [keeper(), callback, Pace()], steps=300, every_batches=3)
    whole = time.perf_counter() - begun
    assert callback.measured >= 2
    assert callback.left_out >= 1
    assert callback.spent == pytest.approx(sum(rounds), rel=0.1, abs=0.05), "nothing is left uncounted"
    assert sum(rounds) <= callback.share * whole + max(rounds)
