"""Points of a sweep as jobs that submitit runs: submitted, waited for, and heard from."""

from __future__ import annotations

import importlib
import re
import socket
import sys
import time
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus, filter_overrides, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from disco.apps.sweep.points import DONE, Point, read_point
from disco.core.ranges import NaturalInt, PositiveInt
from disco.errors import DiscoError

POLL_SECONDS = 1.0
SAID = re.compile(r"^(error: |[\w.]+(Error|Exception): )")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A point as the sweeper asks for it."""

    number: int
    words: list[str]
    cfg: DictConfig

    @property
    def folder(self) -> Path:
        """Where it is run."""
        return Path(str(self.cfg.hydra.sweep.dir)) / str(self.cfg.hydra.sweep.subdir)

    @property
    def given(self) -> list[str]:
        """All its words, in the order in which a point keeps them."""
        return sorted(str(word) for word in self.cfg.hydra.overrides.task)

    def answer(self, value: float | None) -> JobReturn:
        """Return what Hydra expects of a job that has ended."""
        job = JobReturn(overrides=self.words, cfg=self.cfg, task_name=self.cfg.hydra.job.name)
        job.return_value = value
        job.status = JobStatus.COMPLETED
        return job


@dataclass(kw_only=True)
class JobLauncher(Launcher):
    """Submits points, and hears from their folders what came of them.

    A point that is done is not submitted again. One whose job is lost has crashed; the others go on. Jobs
    do not outlive an interrupted sweep: they save, and the next one goes on with them.
    """

    submitit_folder: str
    timeout_min: PositiveInt
    signal_delay_s: NaturalInt
    max_num_timeout: NaturalInt
    tasks_per_node: PositiveInt
    gpus_per_node: NaturalInt | None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands over."""
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    @property
    @abstractmethod
    def room(self) -> int:
        """Jobs that may be submitted and not yet ended."""

    @abstractmethod
    def queue(self, jobs: Any) -> Any:
        """Return submitit's executor, told what each job needs; `jobs` is the module of ours."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the points and return in their order what they returned.

        Raises:
            DiscoError: jobs and points do not fit together, or no jobs are taken.
        """
        setup_globals()
        jobs = ours()
        asked = [self._asked(words, initial_job_idx + k) for k, words in enumerate(job_overrides)]
        ended: dict[int, JobReturn] = {}
        waiting: list[Asked] = []
        for one in asked:
            self._check(one)
            before = read_point(one.folder)
            if before is not None and before.state in DONE:
                _say(f"#{one.number} {before.state} before")
                ended[one.number] = one.answer(before.value)
            else:
                waiting.append(one)
        if waiting:
            self.run(jobs, waiting, ended)
        return [ended[one.number] for one in asked]

    def run(self, jobs: Any, waiting: list[Asked], ended: dict[int, JobReturn]) -> None:
        """Submit points as there is room, and add what they return to `ended`."""
        running: dict[int, tuple[Asked, Any]] = {}
        try:
            while waiting or running:
                room = self.room - len(running)
                batch, waiting = waiting[:room], waiting[room:]
                for one, job in zip(batch, self._submit(jobs, batch), strict=True):
                    running[one.number] = (one, job)
                    words = " ".join(filter_overrides(one.words))
                    _say(f"#{one.number} is job {job.job_id}: {words}")
                for number, (one, job) in list(running.items()):
                    if job.done():
                        ended[number] = _heard(one, job)
                        del running[number]
                if running:
                    time.sleep(POLL_SECONDS)
        finally:
            for _, job in running.values():
                job.cancel(check=False)

    def _submit(self, jobs: Any, batch: Sequence[Asked]) -> Sequence[Any]:
        if not batch:
            return []
        points = [
            jobs.Job(
                hydra_context=self.hydra_context,
                task_function=self.task_function,
                config=self.config,
                words=one.words,
                number=one.number,
                port=_free_port(),
            )
            for one in batch
        ]
        try:
            queue = self.queue(jobs)
            with queue.batch():
                submitted = [queue.submit(point) for point in points]
        except (RuntimeError, ValueError, OSError) as error:  # FailedSubmissionError
            said = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            raise DiscoError(
                f"no jobs can be submitted: {said}", do="see what would be with --dry-run, and `sinfo`"
            ) from error
        return submitted

    def _asked(self, words: Sequence[str], number: int) -> Asked:
        cfg = self.hydra_context.config_loader.load_sweep_config(self.config, list(words))
        with open_dict(cfg):
            cfg.hydra.job.id = str(number)
            cfg.hydra.job.num = number
        return Asked(number=number, words=list(words), cfg=cfg)

    def _check(self, one: Asked) -> None:
        before = read_point(one.folder)
        if before is not None and sorted(before.words) != one.given:
            raise DiscoError(
                f"{one.folder} holds a point of another sweep: {' '.join(before.words)}",
                do="type the sweep as it was begun, or choose another hydra.sweep.dir",
            )
        if self.signal_delay_s >= 60 * self.timeout_min:
            raise DiscoError(
                f"hydra.launcher.signal_delay_s={self.signal_delay_s}: a job has {self.timeout_min} minutes",
                do="raise hydra.launcher.timeout_min",
            )
        devices = one.cfg.trainer.devices if "trainer" in one.cfg else 1
        if not isinstance(devices, int) or devices < 1:
            raise DiscoError(
                f"trainer.devices={devices}: a job must know how many processes it is",
                do="give their number: trainer.devices=4",
            )
        if devices != self.tasks_per_node:
            raise DiscoError(
                f"trainer.devices={devices}, but a job is hydra.launcher.tasks_per_node={self.tasks_per_node}"
                " processes",
                do="make a sweep of its own for each number of devices",
            )

    def gpus(self) -> int:
        """Return how many GPUs of a node a job needs."""
        if self.gpus_per_node is not None:
            return self.gpus_per_node
        on_gpu = "trainer" in self.config and self.config.trainer.accelerator in ("gpu", "cuda")
        return self.tasks_per_node if on_gpu else 0


def ours() -> Any:
    """Return the module that needs submitit.

    Raises:
        DiscoError: it is not installed.
    """
    try:
        return importlib.import_module("disco.apps.sweep.slurm_jobs")
    except ImportError as error:
        if str(error.name).split(".")[0] not in ("submitit", "hydra_plugins", "cloudpickle"):
            raise
        raise DiscoError(
            "hydra/launcher=slurm and submitit_local need hydra-submitit-launcher",
            do="pip install 'disco-musica[slurm]'",
        ) from error


def _heard(one: Asked, job: Any) -> JobReturn:
    """Return what a point returned; write down that it crashed if it could not do so itself."""
    error = job.exception()  # waits a little for a slow disk
    point = read_point(one.folder)
    if error is not None and (point is None or point.state == "running"):
        lines = [line.strip() for line in str(error).splitlines() if SAID.match(line.strip())]
        how = lines[-1].removeprefix("error: ") if lines else f"its job ended: {job.state}"
        point = Point(words=one.given, state="crashed", error=how)
        point.write(one.folder)
    told = point.state if point else "ended"
    value = point.value if point else None
    _say(f"#{one.number} {told}" + ("" if value is None else f" {value:.4g}"))
    return one.answer(value)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
