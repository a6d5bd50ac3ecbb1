"""Work on many machines by way of Ray."""

from __future__ import annotations

import faulthandler
import importlib
import os
import signal
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from disco.core.executor import Executor, Failed
from disco.core.ranges import PositiveFloat, PositiveInt
from disco.errors import DiscoError

TRIES = 2  # of an item that takes its process down
MOVES = 10  # of an item whose machine is lost, which is not its fault
KNOCK_SECONDS = 10.0
GRACE_SECONDS = 5.0  # for an item that is late to notice, before its process is ended


class Ray(Executor):
    """One Ray task per item; an item whose machine is lost goes to another one.

    Source and target must be folders that every machine sees under the same path.

    Args:
        address: of the cluster, `auto` for the one this machine belongs to; None starts one here.
        memory_gb: that the scheduler sets aside for each task.
        timeout_seconds: for one item.
        in_flight: tasks submitted at a time: what a scheduler holds without trouble.
    """

    def __init__(
        self,
        *,
        address: str | None,
        memory_gb: PositiveFloat,
        timeout_seconds: PositiveFloat,
        in_flight: PositiveInt,
    ) -> None:
        self.address = address
        self.memory_gb = memory_gb
        self.timeout_seconds = timeout_seconds
        self.in_flight = in_flight

    def run(self, work: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[tuple[int, Any | Failed]]:
        """Yield results in the order of completion.

        Raises:
            DiscoError: Ray is not installed, there is no cluster, or none of its machines has the memory.
            RuntimeError: `work` raised, with the worker's traceback.
        """
        try:
            ray = importlib.import_module("ray")
        except ImportError as error:
            raise DiscoError("executor=ray needs Ray", do="pip install 'disco-musica[ray]'") from error
        if not items:
            return
        with self._joined(ray):
            self._check_memory(ray)
            yield from self._run(ray, work, items)

    def _run(self, ray: Any, work: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        task = ray.remote(num_cpus=1, memory=int(self.memory_gb * 2**30), max_retries=0)(timed)
        shared = ray.put(work)
        waiting = deque(range(len(items)))
        tries, moves = [0] * len(items), [0] * len(items)
        flying: dict[Any, int] = {}
        try:
            while waiting or flying:
                while waiting and len(flying) < self.in_flight:
                    index = waiting.popleft()
                    flying[task.remote(shared, items[index], self.timeout_seconds)] = index
                (done,), _ = ray.wait(list(flying), num_returns=1)
                index = flying.pop(done)
                result, moved = _fetched(ray, done)
                tries[index] += not moved
                moves[index] += moved
                if isinstance(result, Failed) and tries[index] < TRIES and moves[index] < MOVES:
                    waiting.append(index)
                else:
                    yield index, result
        finally:
            for reference in flying:
                ray.cancel(reference, force=True)

    @contextmanager
    def _joined(self, ray: Any) -> Iterator[None]:
        """Belong to the cluster for a while."""
        if ray.is_initialized():  # the caller's, who also leaves it
            yield
            return
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # of a cluster that is started here
        try:
            _check_listening(self.address)
            ray.init(address=self.address or "local", log_to_driver=False, logging_level="ERROR")
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise DiscoError(
                f"executor.address={self.address}: there is no Ray cluster ({reason})",
                do="start one with `ray start --head`, or try executor.address=null on this machine",
            ) from error
        try:
            yield
        finally:
            ray.shutdown()

    def _check_memory(self, ray: Any) -> None:
        """A task for which no machine is large enough would wait for ever."""
        rooms = [node["Resources"].get("memory", 0.0) for node in ray.nodes() if node["Alive"]]
        largest = max(rooms, default=0.0) / 2**30
        if self.memory_gb > largest:
            raise DiscoError(
                f"executor.memory_gb={self.memory_gb}: the largest machine of the cluster lends "
                f"{largest:.1f} GB",
                do=f"set executor.memory_gb={max(0.1, int(largest * 10) / 10)} or less",
            )


def _check_listening(address: str | None) -> None:
    """Knock at the door of host:port: Ray itself would wait there for minutes."""
    host, colon, port = (address or "").rpartition(":")
    if colon and "/" not in host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_SECONDS).close()


def _fetched(ray: Any, reference: Any) -> tuple[Any | Failed, bool]:
    """Return a task's result or what became of its process, and whether its machine is lost."""
    errors = ray.exceptions
    try:
        return ray.get(reference), False
    except errors.RayTaskError as error:
        if isinstance(error.cause, MemoryError):
            return Failed("worker_oom", "it needs more memory than a worker has"), False
        raise RuntimeError(f"work raised in a worker:\n{error}") from error
    except errors.OutOfMemoryError as error:
        return Failed("worker_oom", _first_line(error)), False
    except errors.WorkerCrashedError:
        return Failed("worker_crash", "its worker ended before it had a result"), False
    except errors.RayError as error:  # NodeDiedError, ObjectLostError: what was there went with a machine
        return Failed("worker_crash", f"its machine was lost: {_first_line(error)}"), True


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


class _Late(BaseException):
    """Time is up; no `except Exception` of the work may take it for a fault of its own."""


def timed(work: Callable[[Any], Any], item: Any, seconds: float) -> Any | Failed:
    """Run one item with an alarm; runs on the cluster.

    Where compiled code does not let the alarm through, the process is ended a little later.
    """

    def ring(number: int, frame: object) -> None:
        raise _Late

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    faulthandler.dump_traceback_later(seconds + GRACE_SECONDS, exit=True)
    try:
        return work(item)
    except _Late:
        return Failed("worker_timeout", "its work did not end in the time that one file has")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, before)
