"""A worker that dies, hangs or eats memory costs its item and nothing else; none outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from disco.core.executor import Failed
from disco.errors import DiscoError
from disco.executors.local import Local
from disco.executors.serial import Serial
from tests.executors import work

ROOT = Path(__file__).resolve().parents[2]


def local(workers: int = 2, *, memory_gb: float | None = None, seconds: float = 60.0) -> Local:
    return Local(workers=workers, memory_gb=memory_gb, timeout_seconds=seconds)


@pytest.mark.long
def test_every_item_is_answered_once_by_processes_apart() -> None:
    found = dict(local().run(work.square, list(range(20))))
    assert {index: value for index, (value, _) in found.items()} == {i: i * i for i in range(20)}
    assert os.getpid() not in {pid for _, pid in found.values()}
    assert list(Serial().run(work.square, [3])) == [(0, (9, os.getpid()))]
    assert list(local().run(work.square, [])) == []
    assert list(local(1).run(work.threads, [0])) == [(0, "1")]


@pytest.mark.long
@pytest.mark.parametrize(
    ("word", "code", "reason"),
    [
        ("abort", "worker_crash", "SIGABRT"),
        ("leave", "worker_crash", "ended with code 3"),
        ("killed", "worker_crash", "SIGKILL, as a machine without free memory does"),
        ("memory", "worker_oom", "2.0 GB"),
        ("hang", "worker_timeout", "did not end"),
    ],
)
def test_what_takes_its_worker_down_twice_is_told_and_the_rest_is_done(
    tmp_path: Path, word: str, code: str, reason: str
) -> None:
    items = [("fine", ""), (word, str(tmp_path)), ("well", ""), ("good", "")]
    found = dict(local(memory_gb=2.0, seconds=1.5).run(work.behave, items))
    assert [found[i] for i in (0, 2, 3)] == ["fine done", "well done", "good done"]
    assert isinstance(found[1], Failed)
    assert found[1].code == code
    assert reason in found[1].reason


@pytest.mark.long
def test_a_second_try_may_go_well(tmp_path: Path) -> None:
    found = dict(local(1).run(work.behave, [("once", str(tmp_path)), ("fine", "")]))
    assert found == {0: "once done", 1: "fine done"}


@pytest.mark.long
def test_a_mistake_in_the_work_itself_is_raised_with_its_place() -> None:
    with pytest.raises(RuntimeError, match=r"(?s)def mistaken|in mistaken.*ZeroDivisionError: item 7"):
        list(local(1).run(work.mistaken, [7]))


@pytest.mark.long
def test_workers_that_cannot_start_are_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(DiscoError, match="workers do not start"):
        list(local(1).run(work.square, [1]))


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_worker_outlives_its_parent(tmp_path: Path, how: signal.Signals) -> None:
    code = (
        "from disco.executors.local import Local; from tests.executors import work\n"
        "team = Local(workers=2, memory_gb=None, timeout_seconds=60)\n"
        f"list(team.run(work.say_and_sleep, [{str(tmp_path)!r}] * 2))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(pids := [int(p.stem) for p in tmp_path.glob("*.pid")]) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(pids) == 2
    parent.send_signal(how)
    parent.wait(20)
    time.sleep(0.5)
    assert not [pid for pid in pids if alive(pid)]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
