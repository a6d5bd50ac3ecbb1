"""Takes are heard one by one: in this process, or in several where there is much to hear."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, Literal

from omegaconf import DictConfig, OmegaConf

from disco.apps.parts import build_many
from disco.apps.row_cache import decode, encode
from disco.apps.takes import Piece
from disco.core.metric import Metric, Take
from disco.errors import DiscoError
from disco.metrics.training import Studied

WORTH = 30.0  # seconds of listening that are left when helpers are called in: they take several to start
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
Role = Literal["made", "reference", "pair"]


@dataclass(frozen=True)
class Job:
    """One metric hears a take as what was made, as reference, or beside the reference it belongs to.

    Attributes:
        key: what its row is kept under; take: key of the piece; other: of its reference, None where it is
            heard alone.
    """

    metric: str
    role: Role
    key: str
    take: str
    other: str | None = None


@dataclass(frozen=True)
class Task:
    """Pieces that are read once, by key, and what is to be heard in them."""

    pieces: Mapping[str, Piece]
    jobs: tuple[Job, ...]


@dataclass(frozen=True)
class Failed:
    """Why a metric gave no row."""

    reason: str


Findings = dict[Job, list[Any] | Failed]  # encoded rows


def listen(
    tasks: Sequence[Task],
    metrics: Mapping[str, Metric],
    nodes: DictConfig,
    learnt: Mapping[str, Any],
    load: Callable[[Piece], Take] | None,
    workers: int | None,
) -> Iterator[Findings]:
    """Yield what is heard, task by task in their order; neither workers nor threads change it.

    Args:
        tasks: what to hear.
        metrics: by name.
        nodes: the config that builds them in other processes.
        learnt: what they have studied, encoded.
        load: reads a piece where it is more than a file; it does not travel, so everything is heard here.
        workers: processes that listen; 0 listens here, None calls helpers in where there is much left.
    """
    helpers = 0 if load is not None else len(os.sched_getaffinity(0)) if workers is None else workers
    done = 0
    if workers is None or helpers == 0:
        begun = time.monotonic()
        for task in tasks:
            left = (time.monotonic() - begun) / max(1, done) * (len(tasks) - done)
            if helpers > 1 and left > WORTH:
                break
            with _one_thread(alone=load is None):
                found = rows_of(task, metrics, load or Piece.load)
            yield found
            done += 1
    if done < len(tasks):
        yield from _by_helpers(tasks[done:], nodes, learnt, min(helpers, len(tasks) - done))


def rows_of(task: Task, metrics: Mapping[str, Metric], load: Callable[[Piece], Take]) -> Findings:
    """Let metrics hear what a task holds; a reason stands for a metric that cannot."""
    takes = {key: load(piece) for key, piece in task.pieces.items()}
    return {job: _row(job, metrics[job.metric], takes) for job in task.jobs}


def _row(job: Job, metric: Metric, takes: Mapping[str, Take]) -> list[Any] | Failed:
    take = takes[job.take]
    made = [] if job.role == "reference" else [take]
    reference = [take] if job.role == "reference" else [] if job.other is None else [takes[job.other]]
    metric.rows = []
    try:
        metric.update(made, reference)
        return [encode(row) for row in metric.rows]
    except (DiscoError, ValueError) as error:
        return Failed(str(error))
    finally:
        metric.rows = []


def _by_helpers(
    tasks: Sequence[Task], nodes: DictConfig, learnt: Mapping[str, Any], count: int
) -> Iterator[Findings]:
    settings: Any = OmegaConf.to_container(nodes, resolve=True)
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))  # as they start; each has a core to itself
    try:
        with ProcessPoolExecutor(count, get_context("spawn"), _begin, (settings, dict(learnt))) as pool:
            yield from pool.map(_work, tasks)
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@contextmanager
def _one_thread(*, alone: bool) -> Iterator[None]:
    """Hear as helpers do: a sum over several threads may differ in its last digit."""
    import torch

    before = torch.get_num_threads()
    if alone:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


_in_worker: dict[str, Metric] = {}


def _begin(settings: dict[str, Any], learnt: dict[str, Any]) -> None:
    import torch

    torch.set_num_threads(1)
    _in_worker.update(build_many(OmegaConf.create(settings), "metric"))
    for name, value in learnt.items():
        metric = _in_worker[name]
        assert isinstance(metric, Studied)
        metric.learnt = decode(value)


def _work(task: Task) -> Findings:
    return rows_of(task, _in_worker, Piece.load)
