"""Signals in a real fit, and in a real `train.py`."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import lightning as L
import pytest

from disco.callbacks.requeue import hold_warnings
from disco.callbacks.signals import Interrupted, Signals, how_to_go_on
from disco.core.checkpoint_io import read_checkpoint
from tests.callbacks.toy_models import ToyAudio, fit, keeper
from tests.tiny_runs import TINY_SYMBOLIC

ROOT = Path(__file__).resolve().parents[2]
ON = "ignore:You're resuming from a checkpoint that ended before the epoch ended"


class Sends(L.Callback):
    """Sends this process a signal in the middle of a step, or of a validation batch."""

    def __init__(self, number: int, *, step: int, validating: bool = False) -> None:
        self.number, self.step, self.validating = number, step, validating

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        if not self.validating and trainer.global_step + 1 == self.step:
            os.kill(os.getpid(), self.number)

    def on_validation_batch_start(self, trainer, pl_module, batch, batch_idx, dataloader_idx=0):
        if self.validating and trainer.global_step == self.step and batch_idx == 0:
            os.kill(os.getpid(), self.number)


def plain_toy():
    module = ToyAudio()
    module.dropout.p = 0.0  # so that there is no chance in it
    return module


def saved(folder):
    return read_checkpoint(folder / "checkpoints/last.ckpt")


@pytest.mark.filterwarnings(ON)
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 138)]
)
@pytest.mark.parametrize("validating", [False, True])
def test_a_signal_saves_between_two_steps_and_the_run_goes_on_to_the_same_end(
    number, code, validating, tmp_path, capfd
):
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    weights = []
    for name in ("whole", "cut"):
        folder = tmp_path / name
        module = plain_toy()
        if name == "cut":
            callbacks = [keeper(), Signals(), Sends(number, step=3, validating=validating)]
            with pytest.raises(Interrupted) as left:
                fit(module, folder, callbacks, logger=False)
            assert left.value.code == code
            assert saved(folder)["global_step"] == 3
            assert saved(folder)["state_dict"]["gain"] == module.gain.detach()
            assert "saved at step 3; go on with: python" in capfd.readouterr().err
            module = plain_toy()
        fit(module, folder, [keeper(), Signals()], logger=False, resume=name == "cut")
        assert saved(folder)["global_step"] == 6
        weights.append(float(module.gain.detach()))
    assert weights[0] == weights[1]
    assert {n: signal.getsignal(n) for n in before} == before, "the handlers of before are back"


def test_a_signal_waits_for_gradients_that_are_being_accumulated(tmp_path):
    class Counting(ToyAudio):
        batches = 0

        def training_step(self, batch, batch_index):
            self.batches += 1
            if self.batches == 5:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().training_step(batch, batch_index)

    module = Counting()
    with pytest.raises(Interrupted):
        fit(module, tmp_path, [keeper(), Signals()], logger=False, accumulate=4)
    assert module.batches == 8
    assert saved(tmp_path)["global_step"] == 2


def test_without_a_checkpoint_callback_it_says_that_nothing_is_saved(tmp_path, capfd):
    with pytest.raises(Interrupted):
        fit(ToyAudio(), tmp_path, [Signals(), Sends(signal.SIGTERM, step=2)], logger=False)
    assert "stopped at step 2; nothing is saved" in capfd.readouterr().err
    assert not (tmp_path / "checkpoints").exists()


def test_a_cluster_that_starts_the_job_again_is_asked_after_the_save(tmp_path):
    asked = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: asked.append(saved(tmp_path)["global_step"]))
    try:
        with pytest.raises(Interrupted):
            fit(ToyAudio(), tmp_path, [keeper(), Signals(), Sends(signal.SIGUSR1, step=4)], logger=False)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert asked == [4], "once, and the file was there"


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A job of SLURM, and a scontrol of which the test says what it does and in how far it is slow."""

    def pretend(script, **environment):
        place = tmp_path / "bin"
        place.mkdir(exist_ok=True)
        log = tmp_path / "asked"
        if script is not None:
            (place / "scontrol").write_text(f'#!/bin/sh\necho "$@" >> {log}\n{script}\n')
            (place / "scontrol").chmod(0o755)
        monkeypatch.setenv("PATH", f"{place}:/bin" if script is not None else str(place))
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return lambda: log.read_text().splitlines() if log.is_file() else []

    monkeypatch.setattr("disco.callbacks.requeue.PAUSE_SECONDS", 0.001)
    monkeypatch.setattr("disco.callbacks.requeue.ANSWER_SECONDS", 0.2)
    return pretend


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
@pytest.mark.parametrize(
    ("job", "name"),
    [
        ({"SLURM_JOB_ID": "17"}, "17"),
        ({"SLURM_JOB_ID": "19", "SLURM_ARRAY_JOB_ID": "17", "SLURM_ARRAY_TASK_ID": "2"}, "17_2"),
    ],
)
def test_a_warning_of_the_cluster_saves_and_queues_the_job_again_once(number, job, name, cluster, tmp_path):
    asked = cluster("", **job)
    with pytest.raises(Interrupted):
        fit(plain_toy(), tmp_path, [keeper(), Signals(), Sends(number, step=3)], logger=False)
    assert asked() == [f"requeue {name}"]
    assert saved(tmp_path)["global_step"] == 3
    assert not list(tmp_path.glob("hpc_ckpt*")), "nothing else saves"


@pytest.mark.parametrize(
    ("script", "told", "calls"),
    [
        (None, "there is no scontrol on this machine", 0),
        ("echo 'slurm_requeue error: not allowed' >&2; exit 1", "slurm_requeue error: not allowed", 5),
        ("exec sleep 5", "no answer within 0.2 s", 5),
    ],
    ids=["absent", "failing", "slow"],
)
def test_a_cluster_that_does_not_answer_is_asked_again_and_what_was_saved_stays(
    script, told, calls, cluster, tmp_path, capfd
):
    asked = cluster(script, SLURM_JOB_ID="17")
    with pytest.raises(Interrupted) as left:
        fit(plain_toy(), tmp_path, [keeper(), Signals(), Sends(signal.SIGUSR1, step=3)], logger=False)
    assert left.value.code == 138
    assert len(asked()) == calls
    said = capfd.readouterr().err
    assert f"job 17 is not queued again, try 5 of 5: {told}" in said
    assert "submit it once more to go on" in said
    assert saved(tmp_path)["global_step"] == 3


def test_a_cluster_that_comes_to_its_senses_is_believed(cluster, tmp_path, capfd):
    asked = cluster(f"test $(wc -l < {tmp_path}/asked) = 3", SLURM_JOB_ID="17")
    with pytest.raises(Interrupted):
        fit(plain_toy(), tmp_path, [keeper(), Signals(), Sends(signal.SIGUSR1, step=3)], logger=False)
    assert len(asked()) == 3
    assert "job 17 is queued again" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("numbers", "again"),
    [
        ([signal.SIGTERM], False),  # scancel
        ([signal.SIGTERM, signal.SIGTERM], False),  # the same, by srun and by the node
        ([signal.SIGUSR1, signal.SIGUSR1], True),
        ([signal.SIGUSR1, signal.SIGTERM], True),  # the save takes longer than there is time
        ([signal.SIGTERM, signal.SIGUSR2], True),  # the job is to make room
    ],
)
def test_which_signals_of_a_cluster_mean_that_the_run_goes_on(numbers, again, cluster, tmp_path):
    asked = cluster("", SLURM_JOB_ID="17")
    sends = [Sends(number, step=3) for number in numbers]
    with pytest.raises(Interrupted):
        fit(plain_toy(), tmp_path, [keeper(), Signals(), *sends], logger=False)
    assert asked() == ["requeue 17"] * again
    assert saved(tmp_path)["global_step"] == 3


def test_a_warning_during_the_set_up_waits_for_the_first_step(cluster, tmp_path):
    asked = cluster("", SLURM_JOB_ID="17")
    hold_warnings()
    signal.raise_signal(signal.SIGUSR1)  # for this thread; a program holds them before it has others
    with pytest.raises(Interrupted):
        fit(plain_toy(), tmp_path, [keeper(), Signals()], logger=False)
    assert saved(tmp_path)["global_step"] == 1
    assert asked() == ["requeue 17"]


def test_the_command_to_go_on_is_the_one_that_was_typed():
    typed = ["train.py", "model=symbolic", "data.books=[ryan, bach]", "resume=auto", "hydra.run.dir=x"]
    said = how_to_go_on(typed, Path("outputs/train/a b"))
    assert shlex.split(said) == [
        "python", "train.py", "model=symbolic", "data.books=[ryan, bach]", "resume=outputs/train/a b",
    ]  # fmt: skip
    for others in (["submitit/_submit.py", "jobs/%j"], ["train.py", "-m", "optim.lr=1e-4,1e-3"]):
        assert how_to_go_on(others, Path("outputs/x/0")) == "python train.py resume=outputs/x/0"


def started(folder: Path, corner: list[str]) -> subprocess.Popen[str]:
    words = [
        *TINY_SYMBOLIC,
        *corner,
        "callbacks=[checkpoint,history,signals]",
        "callbacks.history.every_steps=1",
    ]
    command = [sys.executable, "train.py", *words, "trainer.max_steps=100000", f"hydra.run.dir={folder}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    running = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=environment)
    history = folder / "history.jsonl"
    for _ in range(1200):
        if running.poll() is not None or (history.is_file() and len(history.read_text().splitlines()) >= 3):
            break
        time.sleep(0.1)
    assert running.poll() is None, running.communicate()[1]
    return running


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_train_py_leaves_with_the_shells_code_and_goes_on_by_the_command_it_prints(
    number, code, corner: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    running = started(folder, corner)
    running.send_signal(number)
    told = running.communicate(timeout=60)[1]
    assert running.returncode == code, told
    assert "Traceback" not in told
    assert not (folder / "run.json").exists(), "it is not finished"
    step = saved(folder)["global_step"]
    line = next(line for line in told.splitlines() if line.startswith("saved at step"))
    assert line.startswith(f"saved at step {step:,}; go on with: python train.py ")

    command = shlex.split(line.split("go on with: ")[1])
    again = [
        sys.executable,
        *command[1:],
        f"trainer.max_steps={step + 2}",
        f"hydra.run.dir={tmp_path / 'other'}",
    ]
    done = subprocess.run(again, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads((folder / "run.json").read_text())["steps"] == step + 2
    assert saved(folder)["global_step"] == step + 2


@pytest.mark.slow
def test_a_second_signal_leaves_at_once(corner: list[str], tmp_path: Path) -> None:
    running = started(tmp_path / "run", corner)
    running.send_signal(signal.SIGSTOP)  # so that both come before the next batch boundary
    running.send_signal(signal.SIGINT)
    running.send_signal(signal.SIGTERM)
    running.send_signal(signal.SIGCONT)
    told = running.communicate(timeout=20)[1]
    assert running.returncode in (130, 143), told
    assert "saved" not in told
    assert not (tmp_path / "run" / "checkpoints" / "last.ckpt").exists()
