"""A logger may fail; the training may not."""

import sys
import types

import pytest
from hydra.core.global_hydra import GlobalHydra
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from disco.apps.compose import build
from disco.apps.loggers import forgiving
from disco.errors import DiscoError
from tests.callbacks.toy_models import ToyAudio, fit, keeper


def failing(logger, method, *, after):
    """Let a logger's disk be full after some calls."""
    plain, calls = getattr(logger, method), []

    def full(*arguments, **options):
        calls.append(arguments)
        if len(calls) > after:
            raise OSError(28, "No space left on device")
        return plain(*arguments, **options)

    setattr(logger, method, full)
    return logger


@pytest.mark.parametrize(
    ("method", "after"), [("log_metrics", 2), ("log_metrics", 0), ("finalize", 0), ("save", 0)]
)
@pytest.mark.parametrize("kind", [TensorBoardLogger, CSVLogger])
def test_a_full_disk_ends_the_log_and_not_the_training(kind, method, after, tmp_path, capsys):
    gains = []
    for name, spoil in (("well", False), ("full", True)):
        logger = kind(tmp_path / name, name=None, version="log")
        if spoil:
            failing(logger, method, after=after)
        module = ToyAudio()
        trainer = fit(module, tmp_path / name, [keeper()], logger=forgiving(logger))
        assert trainer.global_step == 6
        gains.append(module.gain.item())
    assert gains[0] != 0.0
    told = [line for line in capsys.readouterr().err.splitlines() if "logs no more" in line]
    if method != "save" or kind is CSVLogger:
        assert told == [f"{kind.__name__} logs no more: [Errno 28] No space left on device"]


def test_what_was_logged_before_stays_readable(tmp_path):
    logger = failing(TensorBoardLogger(tmp_path, name=None, version="log"), "log_metrics", after=3)
    fit(ToyAudio(), tmp_path, [], logger=forgiving(logger))
    found = EventAccumulator(str(tmp_path / "log"))
    found.Reload()
    assert [event.step for event in found.Scalars("train/loss")] == [0, 1, 2]


def test_the_training_that_lost_its_log_is_the_same_training(tmp_path):
    import torch

    gains = []
    for name, after in (("well", 100), ("full", 0)):
        torch.manual_seed(0)
        module = ToyAudio()
        logger = failing(CSVLogger(tmp_path / name, name=None, version="log"), "log_metrics", after=after)
        fit(module, tmp_path / name, [], logger=forgiving(logger))
        gains.append(module.gain.item())
    assert gains[0] == gains[1] != 0.0


def test_wandb_that_is_not_installed_names_the_extra(composed, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)  # as if it were not there
    cfg = composed("train", "model=symbolic", "logger=wandb")
    with pytest.raises(DiscoError, match=r"needs the package wandb; pip install 'disco-musica\[wandb\]'"):
        build(cfg.logger, "logger")
    GlobalHydra.instance().clear()


def test_wandb_is_kept_on_disk_unless_asked(composed, monkeypatch, tmp_path):
    asked = {}

    class Recorded:
        def __init__(self, **options):
            asked.update(options)

    stub = types.ModuleType("wandb")
    stub.Settings = lambda **options: options
    monkeypatch.setitem(sys.modules, "wandb", stub)
    monkeypatch.setattr("lightning.pytorch.loggers.WandbLogger", Recorded)
    for mode, offline in (("offline", True), ("online", False)):
        cfg = composed("train", "model=symbolic", "logger=wandb", f"logger.mode={mode}")
        build(cfg.logger, "logger")
        assert asked["offline"] is offline
        assert asked["settings"] == {"mode": mode, "silent": True}
        assert asked["save_dir"] == str(tmp_path / "run")


@pytest.mark.parametrize("logger", ["tensorboard", "csv", "none"])
def test_no_other_logger_imports_wandb(logger, composed, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    cfg = composed("train", "model=symbolic", f"logger={logger}")
    build(cfg.logger, "logger")
