"""Executors for clusters answer as the local one does; here a small stand-in plays Ray's part."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from disco.core.executor import Failed
from disco.errors import DiscoError
from disco.executors.ray import Ray
from disco.executors.slurm import Slurm
from tests.executors import work


def ray_executor() -> Ray:
    return Ray(address=None, memory_gb=1.0, timeout_seconds=5.0, in_flight=2)


def slurm_executor(tmp_path: Any) -> Slurm:
    return Slurm(
        folder=str(tmp_path), cluster="local", jobs=2, partition=None, cpus=1, memory_gb=2.0, timeout_min=1,
        timeout_seconds=60.0,
    )  # fmt: skip


class FakeRay(ModuleType):
    """Runs each task when it is waited for; the words `abort` and `memory` end as Ray would tell it."""

    class CrashedError(Exception):
        pass

    class SpentError(Exception):
        pass

    class TaskError(Exception):
        cause: BaseException | None = None

    def __init__(self) -> None:
        super().__init__("ray")
        self.exceptions = SimpleNamespace(
            OutOfMemoryError=self.SpentError,
            WorkerCrashedError=self.CrashedError,
            RayTaskError=self.TaskError,
            RayError=Exception,
        )
        self.most_in_flight = 0

    def is_initialized(self) -> bool:
        return False

    def init(self, **settings: Any) -> None:
        self.settings = settings

    def shutdown(self) -> None:
        pass

    def nodes(self) -> list[Any]:
        return [{"Alive": True, "Resources": {"memory": 2.0**30}}]

    def put(self, thing: Any) -> Any:
        return thing

    def remote(self, **limits: Any) -> Any:
        assert limits["max_retries"] == 0, "the tries are counted here"
        return lambda function: SimpleNamespace(remote=lambda *arguments: SimpleRef(function, arguments))

    def wait(self, flying: list[Any], *, num_returns: int) -> tuple[list[Any], list[Any]]:
        self.most_in_flight = max(self.most_in_flight, len(flying))
        return [flying[-1]], flying[:-1]

    def get(self, reference: Any) -> Any:
        word = reference.arguments[1][0]
        if word == "abort":
            raise self.CrashedError("the worker died")
        if word == "memory":
            raise self.SpentError("too much")
        return reference.function(*reference.arguments)

    def cancel(self, reference: Any, *, force: bool) -> None:
        raise AssertionError("nothing is left to cancel")


class SimpleRef:
    def __init__(self, function: Any, arguments: Any) -> None:
        self.function = function
        self.arguments = arguments


def test_ray_counts_the_tries_and_the_tasks_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", ray)
    items = [("fine", ""), ("abort", ""), ("memory", ""), ("well", "")]
    found = dict(ray_executor().run(work.behave, items))
    assert (found[0], found[3]) == ("fine done", "well done")
    assert [found[i].code for i in (1, 2) if isinstance(found[i], Failed)] == ["worker_crash", "worker_oom"]
    assert ray.most_in_flight == 2


@pytest.mark.parametrize("word", ["hang", "stubborn"])
def test_ray_ends_what_takes_too_long(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", FakeRay())
    quick = Ray(address=None, memory_gb=1.0, timeout_seconds=0.05, in_flight=2)
    ((_, failed),) = quick.run(work.behave, [(word, "")])
    assert isinstance(failed, Failed)
    assert failed.code == "worker_timeout"


def test_a_task_for_which_no_machine_is_large_enough_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", FakeRay())
    large = Ray(address=None, memory_gb=4.0, timeout_seconds=1.0, in_flight=2)
    with pytest.raises(DiscoError, match=r"lends 1\.0 GB; set executor\.memory_gb=1\.0 or less"):
        list(large.run(work.behave, [("a", "")]))


def test_what_is_not_installed_is_named_with_its_extra(tmp_path, monkeypatch) -> None:
    for name, executor in (("ray", ray_executor()), ("submitit", slurm_executor(tmp_path))):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(DiscoError, match=r"pip install 'disco-musica\[(ray|slurm)\]'"):
            list(executor.run(work.behave, [("a", "")]))
