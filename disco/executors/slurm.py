"""Work on many machines as one SLURM job array, by way of submitit."""

from __future__ import annotations

import importlib
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from disco.core.executor import Executor, Failed
from disco.core.ranges import PositiveFloat, PositiveInt
from disco.errors import DiscoError
from disco.executors.local import Local
from disco.executors.share import Share, read_results

TRIES = 2  # arrays: what the first one lost goes into a second
POLL_SECONDS = 1.0
LEAVE_SECONDS = 10.0  # for jobs that were cancelled to end


class Slurm(Executor):
    """Deals the items out to an array of jobs, in each of which local workers do them.

    Each job writes down what it has finished, so a job that is lost, pre-empted or out of time costs
    nothing but what it had in hand. Source and target must be folders that every node sees.

    Args:
        folder: where submitit keeps its logs; every node sees it too.
        cluster: `slurm`; `local` runs the jobs here, to try it out; None finds out.
        jobs: of the array.
        partition: None for the cluster's own choice.
        cpus: per job, one worker on each.
        memory_gb: of each worker.
        timeout_min: of each job.
        timeout_seconds: for one item.
    """

    def __init__(
        self,
        *,
        folder: str,
        cluster: str | None,
        jobs: PositiveInt,
        partition: str | None,
        cpus: PositiveInt,
        memory_gb: PositiveFloat,
        timeout_min: PositiveInt,
        timeout_seconds: PositiveFloat,
    ) -> None:
        self.folder = Path(folder).absolute()
        self.cluster = cluster
        self.jobs = jobs
        self.partition = partition
        self.cpus = cpus
        self.memory_gb = memory_gb
        self.timeout_min = timeout_min
        self.timeout_seconds = timeout_seconds

    def run(self, work: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[tuple[int, Any | Failed]]:
        """Yield results as the jobs write them down.

        Raises:
            DiscoError: submitit is not installed, or the cluster takes no jobs.
            RuntimeError: `work` raised, with the job's traceback.
        """
        try:
            submitit = importlib.import_module("submitit")
        except ImportError as error:
            raise DiscoError(
                "executor=slurm needs submitit", do="pip install 'disco-musica[slurm]'"
            ) from error
        left: dict[int, str] = dict.fromkeys(range(len(items)), "")
        notes = self.folder / f"results-{uuid.uuid4().hex[:12]}"
        try:
            for turn in range(TRIES):
                if not left:
                    return
                folder = notes / str(turn)
                folder.mkdir(parents=True)
                for index, result in self._array(submitit, work, items, left, folder):
                    del left[index]
                    yield index, result
        finally:
            shutil.rmtree(notes, ignore_errors=True)
        for index, reason in left.items():
            yield index, Failed("worker_crash", reason)

    def _array(
        self,
        submitit: Any,
        work: Callable[[Any], Any],
        items: Sequence[Any],
        left: dict[int, str],
        folder: Path,
    ) -> Iterator[tuple[int, Any]]:
        """Yield what one array of jobs has done; of what it lost, note in `left` why."""
        queue = self._queue(submitit)
        order, count, cpus = list(left), min(self.jobs, len(left)), self.cpus
        if queue.cluster == "local":  # nothing there would keep jobs waiting
            here = len(os.sched_getaffinity(0))
            count, cpus = min(count, here), max(1, min(cpus, here // min(count, here)))
        local = Local(workers=cpus, memory_gb=self.memory_gb, timeout_seconds=self.timeout_seconds)
        hands = [order[first::count] for first in range(count)]  # the largest items apart
        share = Share(work, local, folder)
        dealt = [[(index, items[index]) for index in hand] for hand in hands]
        try:
            jobs = queue.map_array(share, range(count), dealt)
        except (RuntimeError, OSError) as error:  # FailedSubmissionError
            raise _refused(error) from error
        running = {number: _Reader(job, share.path(number)) for number, job in enumerate(jobs)}
        try:
            while running:
                for number, reader in list(running.items()):
                    ended = reader.job.done()
                    yield from reader.news()
                    if ended:
                        del running[number]
                        left |= reader.lost(submitit, [index for index in hands[number] if index in left])
                if running:
                    time.sleep(POLL_SECONDS)
        finally:
            _cancel([reader.job for reader in running.values()])

    def _queue(self, submitit: Any) -> Any:
        try:
            queue = submitit.AutoExecutor(folder=self.folder, cluster=self.cluster)
            queue.update_parameters(
                name="disco-prepare",
                timeout_min=self.timeout_min,
                cpus_per_task=self.cpus,
                mem_gb=self.memory_gb * self.cpus,
                slurm_array_parallelism=self.jobs,
                **({"slurm_partition": self.partition} if self.partition else {}),
            )
        except (RuntimeError, ValueError) as error:
            raise _refused(error) from error
        return queue


class _Reader:
    """One job, and how much of what it wrote down has been read."""

    def __init__(self, job: Any, path: Path) -> None:
        self.job = job
        self.path = path
        self.place = 0

    def news(self) -> Iterator[tuple[int, Any]]:
        """Yield the results that were added since the last time."""
        results, self.place = read_results(self.path, self.place)
        yield from results

    def lost(self, submitit: Any, indices: Sequence[int]) -> Mapping[int, str]:
        """Return why a job that has ended left these items; raise what the work itself raised."""
        if not indices:
            return {}
        error = self.job.exception()
        words = str(error).strip() if error else "it ended without them"
        if "work raised in a worker" in words:
            raise RuntimeError(f"job {self.job.job_id} of the array: {words}")
        reason = f"job {self.job.job_id} of the array was lost: {_summary(words)}"
        return dict.fromkeys(indices, reason)


def _summary(words: str) -> str:
    """Return the line of a job's log that says most: the last one of a traceback, or else the first."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    errors = [line for line in lines if line.split(":")[0].endswith(("Error", "Exception"))]
    return (errors or lines[:2] or ["nothing was said"])[-1]


def _cancel(jobs: Sequence[Any]) -> None:
    """Have no job write to the target when nobody waits for it any more."""
    for job in jobs:
        job.cancel(check=False)
    deadline = time.monotonic() + LEAVE_SECONDS
    while time.monotonic() < deadline and not all(job.done() for job in jobs):
        time.sleep(0.1)


def _refused(error: Exception) -> DiscoError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
    return DiscoError(
        f"executor=slurm: no jobs can be submitted ({reason})",
        do="check executor.partition and `sinfo`, or try executor.cluster=local on this machine",
    )
