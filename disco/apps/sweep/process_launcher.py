"""`hydra/launcher=processes`: several points of a sweep at a time on one machine, a process each."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus, filter_overrides, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from disco.apps.sweep.points import Point, read_point
from disco.core.ranges import PositiveInt
from disco.errors import DiscoError


class ProcessLauncher(Launcher):
    """Runs each point in a fork of this process, which has loaded nothing heavy yet.

    A point writes what it says to `output.txt` in its folder. One that is killed is said to have crashed;
    all end with this process, however it ends.

    Args:
        workers: points at a time.
        devices: what each worker sees as CUDA_VISIBLE_DEVICES, one for each worker; null leaves it as it is.
    """

    __module__ = "hydra_plugins.disco_musica"  # Hydra builds plugins of this namespace only

    def __init__(self, *, workers: PositiveInt, devices: Sequence[str | int] | None) -> None:
        if devices is not None and len(devices) != workers:
            raise DiscoError(
                f"hydra.launcher.devices names {len(devices)} for {workers} workers",
                do="name one for each worker",
            )
        self.workers = workers
        self.devices = devices

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands over."""
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the points and return in their order what they returned."""
        setup_globals()
        Path(str(self.config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
        waiting = list(enumerate(job_overrides))
        places = list(range(self.workers))
        running: dict[Connection, tuple[int, int, BaseProcess, JobReturn]] = {}
        done: dict[int, JobReturn] = {}
        try:
            while waiting or running:
                while waiting and places:
                    index, words = waiting.pop(0)
                    place, job = places.pop(0), self._job(words, initial_job_idx + index)
                    process, answer = self._start(job, place)
                    running[answer] = (index, place, process, job)
                for answer in wait(list(running)):
                    assert isinstance(answer, Connection)
                    index, place, process, job = running.pop(answer)
                    job.return_value = _heard(answer, process, job)
                    job.status = JobStatus.COMPLETED
                    done[index] = job
                    places.append(place)
        finally:
            for _, _, process, _ in running.values():
                process.terminate()
                process.join()
        return [done[index] for index in range(len(job_overrides))]

    def _job(self, words: Sequence[str], number: int) -> JobReturn:
        cfg = self.hydra_context.config_loader.load_sweep_config(self.config, list(words))
        with open_dict(cfg):
            cfg.hydra.job.id = number
            cfg.hydra.job.num = number
        return JobReturn(overrides=list(words), cfg=cfg, task_name=cfg.hydra.job.name)

    def _start(self, job: JobReturn, place: int) -> tuple[BaseProcess, Connection]:
        assert isinstance(job.cfg, DictConfig)
        shared = set(self.config.hydra.overrides.task)
        words = [word for word in filter_overrides(job.overrides or []) if word not in shared]
        sys.stdout.write(f"#{job.cfg.hydra.job.num} begins: {' '.join(words)}\n")
        sys.stdout.flush()
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=self._work, args=(job.cfg, place, theirs))
        process.start()
        theirs.close()
        return process, ours

    def _work(self, cfg: DictConfig, place: int, answer: Connection) -> None:
        threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
        folder = _folder(cfg)
        folder.mkdir(parents=True, exist_ok=True)
        output = os.open(folder / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        for stream in (1, 2):
            os.dup2(output, stream)
        if self.devices is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = str(self.devices[place])
        job = run_job(
            hydra_context=self.hydra_context,
            task_function=self.task_function,
            config=cfg,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )
        answer.send(job.return_value)


def _heard(answer: Connection, process: BaseProcess, job: JobReturn) -> float | None:
    """Return what a point returned; write down that it crashed if it cannot do so itself."""
    assert isinstance(job.cfg, DictConfig)
    folder = _folder(job.cfg)
    try:
        value = answer.recv()
    except EOFError:
        value = None
    process.join()
    point = read_point(folder)
    if process.exitcode == 2:  # it holds a point of another sweep
        raise DiscoError(_last_line(folder / "output.txt"), do="choose another hydra.sweep.dir")
    if process.exitcode and (point is None or point.state == "running"):
        how = f"signal {-process.exitcode}" if process.exitcode < 0 else f"exit code {process.exitcode}"
        words = point.words if point else sorted(filter_overrides(job.overrides or []))
        Point(words=words, state="crashed", error=f"its process ended with {how}").write(folder)
    told = read_point(folder)
    outcome = told.state if told else "ended"
    value_said = "" if value is None else f" {value:.4g}"
    sys.stdout.write(f"#{job.cfg.hydra.job.num} {outcome}{value_said}\n")
    sys.stdout.flush()
    return value


def _folder(cfg: DictConfig) -> Path:
    return Path(str(cfg.hydra.sweep.dir)) / str(cfg.hydra.sweep.subdir)


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    return lines[-1].removeprefix("error: ") if lines else "the point ended"


def _end_with(parent: int) -> None:
    """End this process when its parent has ended."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
