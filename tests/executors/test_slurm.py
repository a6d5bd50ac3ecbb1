"""An array loses no more than what a job had in hand; submitit itself runs the jobs, on this machine."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from disco.core.executor import Failed
from disco.errors import DiscoError
from disco.executors.local import Local
from disco.executors.share import Share, read_results
from disco.executors.slurm import Slurm
from tests.executors import work
from tests.executors.test_local import alive
from tests.prepare.tiny import prepare, songs, tree

submitit = pytest.importorskip("submitit")
pytestmark = pytest.mark.long


def slurm(folder: Path, *, jobs: int = 2, cluster: str = "local", partition: str | None = None) -> Slurm:
    return Slurm(
        folder=str(folder), cluster=cluster, jobs=jobs, partition=partition, cpus=1, memory_gb=2.0,
        timeout_min=2, timeout_seconds=60.0,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _no_long_looks_for_results(monkeypatch: pytest.MonkeyPatch) -> None:
    """Results of lost jobs are waited for as if the disk were far away."""
    monkeypatch.setattr(submitit.Job, "_results_timeout_s", 1, raising=True)


def test_the_tree_is_that_of_one_process(tmp_path: Path) -> None:
    source = songs(tmp_path / "music")
    prepare(source, tmp_path / "one")
    prepare(source, tmp_path / "many", executor=slurm(tmp_path / "jobs"))
    assert tree(tmp_path / "many") == tree(tmp_path / "one")
    assert not list((tmp_path / "jobs").glob("results-*"))


def test_a_lost_job_costs_what_it_had_in_hand_and_a_second_array_does_that(tmp_path: Path) -> None:
    items = [(word, str(tmp_path)) for word in ("a", "lost", "b", "c")]
    found = dict(slurm(tmp_path / "jobs", jobs=1).run(work.noted, items))
    assert found == {index: f"{word} done" for index, (word, _) in enumerate(items)}
    log = (tmp_path / "log").read_text().split()
    assert sorted(log) == ["a", "b", "c", "lost", "lost"], "what was finished is not done again"


def test_a_job_that_is_lost_twice_is_named(tmp_path: Path) -> None:
    found = dict(slurm(tmp_path).run(work.behave, [("lost for good", "")]))
    assert isinstance(found[0], Failed)
    assert found[0].code == "worker_crash"
    assert "of the array was lost" in found[0].reason


def test_a_pre_empted_job_goes_on_where_it_was(tmp_path: Path) -> None:
    items = [(word, str(tmp_path)) for word in ("a", "preempted", "b")]
    found = dict(slurm(tmp_path / "jobs", jobs=1).run(work.noted, items))
    assert found == {0: "a done", 1: "preempted done", 2: "b done"}
    assert (tmp_path / "log").read_text().split() == ["a", "preempted", "preempted", "b"]
    assert len(list((tmp_path / "jobs").glob("*_submitted.pkl"))) == 1, "it was one job"


def test_a_mistake_in_the_work_itself_is_raised_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)in mistaken.*ZeroDivisionError: item 7"):
        list(slurm(tmp_path).run(work.mistaken, [7]))


def test_no_job_goes_on_when_nobody_waits_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = slurm(tmp_path / "jobs").run(work.wait_for, [("one", str(tmp_path)), ("two", str(tmp_path))])

    class StopError(Exception):
        pass

    def stop(seconds: float) -> None:
        if len(list(tmp_path.glob("*.pid"))) == 2:
            raise StopError
        real(seconds)

    real = time.sleep
    monkeypatch.setattr("disco.executors.slurm.time.sleep", lambda s: stop(s) if s >= 1.0 else real(s))
    with pytest.raises(StopError):
        next(results)
    monkeypatch.setattr("disco.executors.slurm.time.sleep", real)
    pids = [int(path.name.split(".")[1]) for path in tmp_path.glob("*.pid")]
    deadline = time.monotonic() + 5
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in pids if alive(pid)]


def test_what_the_cluster_says_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DiscoError, match="no jobs can be submitted"):
        list(slurm(tmp_path / "jobs", cluster="slurm").run(work.behave, [("a", "")]))
    for name, words in (("srun", ""), ("sbatch", "echo 'sbatch: error: invalid partition' >&2; exit 1")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{words}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    gone = slurm(tmp_path / "jobs", cluster="slurm", partition="gone")
    with pytest.raises(DiscoError, match="invalid partition"):
        list(gone.run(work.behave, [("a", "")]))


def test_a_torn_line_is_done_again(tmp_path: Path) -> None:
    share = Share(work.noted, Local(workers=1, memory_gb=None, timeout_seconds=60.0), tmp_path)
    items = [(4, ("a", str(tmp_path))), (7, ("b", str(tmp_path)))]
    share(0, items)
    whole = share.path(0).read_bytes()
    share.path(0).write_bytes(whole[:-9])
    assert read_results(share.path(0))[0] == [(4, "a done")]
    share(0, items)
    assert share.path(0).read_bytes() == whole
    assert (tmp_path / "log").read_text().split() == ["a", "b", "b"]
