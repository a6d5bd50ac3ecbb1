"""A logger may fail; the training may not."""

import io
import resource
import sys
import types
from contextlib import contextmanager

import pytest
import soundfile
import torch
from hydra.core.global_hydra import GlobalHydra
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger, WandbLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from disco.apps.compose import build
from disco.apps.loggers import forgiving
from disco.callbacks.progress import Progress
from disco.callbacks.samples import Samples
from disco.core.checkpoint_io import read_checkpoint
from disco.core.contracts import Sampler
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
    gains = []
    for name, after in (("well", 100), ("full", 0)):
        torch.manual_seed(0)
        module = ToyAudio()
        logger = failing(CSVLogger(tmp_path / name, name=None, version="log"), "log_metrics", after=after)
        fit(module, tmp_path / name, [], logger=forgiving(logger))
        gains.append(module.gain.item())
    assert gains[0] == gains[1] != 0.0


KILOBYTES = 100  # what a file may hold: more than the sound of one sample, less than all events


@contextmanager
def no_file_beyond(size):
    """Let every write beyond fail, as where a disk is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def hearing(**changes):
    plain = {"every_steps": 1, "num_samples": 2, "seconds": 0.5, "rate": 16000, "channels": 2, "seed": 3}
    return Samples(**{**plain, "sampler": Sampler(), "prompts": [], **changes})


@pytest.mark.slow
def test_a_log_that_finds_no_room_costs_neither_sounds_nor_checkpoints(tmp_path, capfd):
    gains = []
    for name, size in (("room", 10**9), ("full", 1000 * KILOBYTES)):
        torch.manual_seed(0)
        module, folder = ToyAudio(), tmp_path / name
        logger = forgiving(TensorBoardLogger(folder, name=None, version="log"))
        with no_file_beyond(size):
            trainer = fit(module, folder, [keeper(every_n_steps=2), hearing(every_steps=3)], logger=logger)
        assert trainer.global_step == 6
        assert read_checkpoint(folder / "checkpoints" / "last.ckpt")["global_step"] == 6
        assert len(list((folder / "samples").rglob("*.wav"))) == 4, "two in each of two rounds"
        gains.append(module.gain.item())
    assert gains[0] == gains[1] != 0.0
    out, err = capfd.readouterr()
    assert "Traceback" not in out + err
    assert [line for line in err.splitlines() if "logs no more" in line] == [
        "TensorBoardLogger logs no more: [Errno 27] File too large"
    ]


def test_best_weights_that_find_no_room_end_the_run_with_a_sentence(tmp_path):
    """Those before stay; that the same holds of `last.ckpt` is shown where it is written."""

    class Large(ToyAudio):
        def __init__(self):
            super().__init__()
            self.more = torch.nn.Parameter(torch.zeros(50_000))

    with no_file_beyond(1000 * KILOBYTES), pytest.raises(DiscoError) as met:
        fit(Large(), tmp_path, [keeper()], logger=False)
    assert "best.safetensors cannot be written: " in str(met.value)
    assert "File too large" in str(met.value)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == [], "and no draft is left"


def test_the_words_of_a_run_whose_own_log_is_full_are_lost_and_nothing_else(tmp_path, monkeypatch):
    """`python train.py 2> log` where the log's disk is full."""

    class Full(io.StringIO):
        def write(self, text):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stderr", Full())
    logger = failing(CSVLogger(tmp_path, name=None, version="log"), "log_metrics", after=1)
    callbacks = [Progress(label="train", every_seconds=0.01), hearing(every_steps=2)]
    trainer = fit(ToyAudio(), tmp_path, callbacks, logger=forgiving(logger))
    assert trainer.global_step == 6


class Board:
    """Stands for the package wandb: keeps what is logged."""

    def __init__(self):
        self.logged = []

    def log(self, values, **options):
        self.logged.append(values)

    def define_metric(self, *names, **options): ...


def test_wandb_gets_sound_and_pictures_of_the_samples(tmp_path, monkeypatch):
    """Of the package itself only what stands between Lightning's logger and the server is replaced."""
    stub = types.ModuleType("wandb")
    stub.Audio = lambda data, sample_rate: ("audio", data.shape, sample_rate)
    stub.Image = lambda data: ("image", data.shape)
    monkeypatch.setitem(sys.modules, "wandb", stub)
    monkeypatch.setattr("lightning.pytorch.loggers.wandb._WANDB_AVAILABLE", True)
    board = Board()
    monkeypatch.setattr(WandbLogger, "experiment", board)
    logger = WandbLogger(save_dir=tmp_path, offline=True)
    fit(ToyAudio(), tmp_path, [hearing(every_steps=4)], logger=logger)
    shown = [values for values in board.logged if any(isinstance(value, list) for value in values.values())]
    sound = [values for values in shown if "generated-00" in values]
    assert [values["trainer/global_step"] for values in sound] == [4, 6]
    assert sound[0]["generated-00"] == [("audio", (8000, 2), 16000)], "both channels, a row per sample"
    names = {name for values in shown for name, value in values.items() if isinstance(value, list)}
    assert names == {
        f"generated-{piece:02d}{kind}" for piece in (0, 1) for kind in ("", "/spectrogram", "/chroma")
    }


@pytest.mark.slow
def test_wandb_offline_keeps_the_sound_on_disk(composed, tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="wandb is an extra, and not installed here")
    cfg = composed("train", "model=symbolic", "logger=wandb")
    logger = forgiving(build(cfg.logger, "logger"))
    fit(ToyAudio(), tmp_path, [hearing(every_steps=4)], logger=logger)
    logger.experiment.finish()
    (kept,) = (tmp_path / "run" / "wandb").glob("offline-run-*")
    sounds = sorted(kept.glob("files/media/audio/*.wav"))
    assert len(sounds) == 4, "two in each of two rounds"
    wave, rate = soundfile.read(sounds[0], always_2d=True)
    assert (wave.shape, rate) == ((8000, 2), 16000)
    assert abs(wave[:, 0]).max() == pytest.approx(2 * abs(wave[:, 1]).max(), rel=1e-2)
    assert len(list(kept.rglob("media/images/**/*.png"))) == 8


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
