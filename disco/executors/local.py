"""Worker processes on this machine, each of which may die without harm to the others."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Pipe, wait
from typing import Any

from disco.core.executor import Executor, Failed
from disco.core.ranges import PositiveFloat, PositiveInt
from disco.errors import DiscoError

TRIES = 2
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
START_SECONDS = 120.0  # to import numpy and what the work needs, on a busy machine


class Local(Executor):
    """Fresh interpreters with one thread each; a dead one is replaced.

    Args:
        workers: processes; None for one per CPU that this process may use.
        memory_gb: address space of each; beyond it the item fails. None sets no limit.
        timeout_seconds: for one item.
    """

    def __init__(
        self, *, workers: PositiveInt | None, memory_gb: PositiveFloat | None, timeout_seconds: PositiveFloat
    ) -> None:
        self.workers = workers
        self.memory_gb = memory_gb
        self.timeout_seconds = timeout_seconds

    def run(self, work: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[tuple[int, Any | Failed]]:
        """Yield results in the order of completion.

        Raises:
            DiscoError: workers do not start.
            RuntimeError: `work` raised, with the worker's traceback.
        """
        if not items:
            return
        count = min(self.workers or len(os.sched_getaffinity(0)), len(items))
        packed = pickle.dumps(work)
        waiting = deque((index, 1) for index in range(len(items)))
        team = [_Worker(packed, self.memory_gb) for _ in range(count)]
        try:
            while waiting or any(one.task for one in team):
                for place, one in enumerate(team):
                    if one.is_free and waiting:
                        one.give(waiting.popleft(), items, self.timeout_seconds)
                    answer = one.listen()
                    if isinstance(answer, _Gone):
                        team[place] = one.replaced()
                        answer = answer.verdict(waiting)
                    if answer is not None:
                        yield answer
                if not (waiting and any(one.is_free for one in team)):
                    _sleep(team)
        finally:
            for one in team:
                one.end()


def _sleep(team: Sequence[_Worker]) -> None:
    """Wait until a worker has something to say, or one has had its time."""
    busy = [one for one in team if one.task or not one.ready]
    if busy:
        wait([one.connection for one in busy], timeout=max(0.0, min(one.seconds_left() for one in busy)))


class _Gone:
    """A worker that is no more, the item that it had, and what to say of it."""

    def __init__(self, task: tuple[int, int] | None, failed: Failed) -> None:
        self.task = task
        self.failed = failed

    def verdict(self, waiting: deque[tuple[int, int]]) -> tuple[int, Failed] | None:
        """Put the item back for another try, or return its failure."""
        if self.task is None:
            return None
        index, tries = self.task
        if tries < TRIES:
            waiting.append((index, tries + 1))
            return None
        return index, self.failed


class _Worker:
    """One process and what it is doing."""

    def __init__(self, work: bytes, memory_gb: float | None, *, false_starts: int = 0) -> None:
        self.work = work
        self.memory_gb = memory_gb
        self.false_starts = false_starts
        self.task: tuple[int, int] | None = None  # the item's index and which try this is
        self.ready = False
        self.deadline = time.monotonic() + START_SECONDS
        self.words = tempfile.TemporaryFile()  # noqa: SIM115  what it says on its way out; closed in end
        self.connection, theirs = Pipe()
        command = [sys.executable, "-m", "disco.executors.worker", str(theirs.fileno()), str(os.getpid())]
        roots = os.pathsep.join(path for path in sys.path if path)
        self.process = subprocess.Popen(
            command,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stderr=self.words,
            env={**os.environ, **dict.fromkeys(ONE_THREAD, "1"), "PYTHONPATH": roots},
        )
        theirs.close()
        with suppress(OSError):  # a worker that is already gone is noticed when it is listened to
            self.connection.send(list(sys.path))
            self.connection.send(int(memory_gb * 2**30) if memory_gb else 0)
            self.connection.send_bytes(work)

    def give(self, task: tuple[int, int], items: Sequence[Any], seconds: float) -> None:
        self.task = task
        self.deadline = time.monotonic() + seconds
        with suppress(OSError):
            self.connection.send_bytes(pickle.dumps(items[task[0]]))

    def seconds_left(self) -> float:
        return self.deadline - time.monotonic() if self.task or not self.ready else START_SECONDS

    @property
    def is_free(self) -> bool:
        return self.ready and self.task is None

    def listen(self) -> tuple[int, Any] | _Gone | None:
        """Return a result, None if there is nothing to say yet, or that the worker is gone."""
        try:
            if not self.connection.poll():
                return self._late() if self.seconds_left() <= 0 else None
            word, value = self.connection.recv()
        except (EOFError, OSError):
            self.process.wait()
            return _Gone(self.task, self._cause())
        if word == "ready":
            self.ready, self.false_starts = True, 0
            return None
        assert self.task is not None
        if word == "raised":
            raise RuntimeError(f"work raised in a worker:\n{value}")
        if word == "memory":
            reason = f"it needs more than the {self.memory_gb} GB of memory that a worker has"
            return _Gone(self.task, Failed("worker_oom", reason))
        index, self.task = self.task[0], None
        return index, value

    def _late(self) -> _Gone:
        return _Gone(
            self.task, Failed("worker_timeout", "its work did not end in the time that one file has")
        )

    def _cause(self) -> Failed:
        self.words.seek(0)
        words = self.words.read()[-2000:].decode(errors="replace").strip().splitlines()
        told = f": {words[-1]}" if words else ""
        code = self.process.returncode
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            also = ", as a machine without free memory does" if name == "SIGKILL" else ""
            return Failed("worker_crash", f"its worker was ended by {name}{also}{told}")
        return Failed("worker_crash", f"its worker ended with code {code}{told}")

    def replaced(self) -> _Worker:
        """End this process and return a new one in its place."""
        starts = 0 if self.ready else self.false_starts + 1
        if starts > TRIES:
            reason = self._cause().reason if self.process.poll() is not None else "they hang"
            raise DiscoError(f"workers do not start: {reason}", do="try executor=serial to see why")
        self.end()
        return _Worker(self.work, self.memory_gb, false_starts=starts)

    def end(self) -> None:
        """Kill the process and wait until it is gone."""
        self.process.kill()
        self.process.wait()
        self.connection.close()
        self.words.close()
