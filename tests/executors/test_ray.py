"""A cluster that loses a machine answers as one process does; Ray itself runs, with nodes to kill."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from disco.core.executor import Failed
from disco.core.stage import Notes, Stage
from disco.errors import DiscoError
from disco.executors.ray import Ray
from tests.executors import work
from tests.prepare.tiny import prepare, songs, stages, tree

ray = pytest.importorskip("ray")
pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]  # Ray's own

NODE = {"num_cpus": 1, "memory": 2 * 2**30, "object_store_memory": 10**8}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head that does no work, and a node that does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        from ray.cluster_utils import Cluster  # pyright: ignore[reportMissingImports]

        found = Cluster(initialize_head=True, head_node_args={**NODE, "num_cpus": 0})
        found.add_node(**NODE)
        found.wait_for_nodes()
        yield found
        found.shutdown()


def executor(cluster: Any, *, seconds: float = 60.0) -> Ray:
    return Ray(address=cluster.address, memory_gb=1.0, timeout_seconds=seconds, in_flight=8)


def test_what_takes_its_process_down_is_told_and_the_rest_is_done(cluster: Any, tmp_path: Path) -> None:
    words = ["fine", "abort", "leave", "hang", "stubborn", "once", "well"]
    found = dict(executor(cluster, seconds=1.0).run(work.behave, [(word, str(tmp_path)) for word in words]))
    told = [one.code if isinstance(one, Failed) else one for _, one in sorted(found.items())]
    crash, late = "worker_crash", "worker_timeout"
    assert told == ["fine done", crash, crash, late, late, "once done", "well done"]
    assert not ray.is_initialized(), "it has left the cluster"


def test_a_mistake_in_the_work_itself_is_raised_with_its_place(cluster: Any) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)in mistaken.*ZeroDivisionError: item 7"):
        list(executor(cluster).run(work.mistaken, [7]))


def losing(cluster: Any, when: Callable[[], bool], then: Callable[[], None]) -> threading.Thread:
    """Kill a second node as soon as something is so."""
    node = cluster.add_node(**NODE)
    cluster.wait_for_nodes()

    def kill() -> None:
        deadline = time.monotonic() + 60
        while not when() and time.monotonic() < deadline:
            time.sleep(0.05)
        cluster.remove_node(node, allow_graceful=False)
        then()

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def test_an_item_whose_machine_is_lost_goes_to_another(cluster: Any, tmp_path: Path) -> None:
    thread = losing(
        cluster, lambda: len(list(tmp_path.glob("*.pid"))) >= 2, lambda: (tmp_path / "go").touch()
    )
    items = [(name, str(tmp_path)) for name in ("one", "two", "three")]
    found = dict(executor(cluster).run(work.wait_for, items))
    thread.join()
    assert found == {0: "one", 1: "two", 2: "three"}
    begun = [path.name.split(".")[0] for path in tmp_path.glob("*.pid")]
    assert len(begun) == 4, "one of them was begun twice"


class Slow(Stage):
    """Gives time to lose a machine."""

    def open(self, notes: Notes) -> None:
        time.sleep(0.3)


def test_the_tree_is_that_of_one_process_although_a_machine_is_lost(cluster: Any, tmp_path: Path) -> None:
    source = songs(tmp_path / "music", 12)
    steps = stages(slow=Slow())
    prepare(source, tmp_path / "one", steps=steps)
    done: list[float] = []
    sounds = tmp_path / "many" / "audio" / "processed"
    thread = losing(
        cluster, lambda: len(list(sounds.glob("*.wav"))) >= 4, lambda: done.append(time.monotonic())
    )
    prepare(source, tmp_path / "many", executor=executor(cluster), steps=steps)
    thread.join()
    assert done
    assert done[0] < time.monotonic(), "it was lost before the end"
    assert tree(tmp_path / "many") == tree(tmp_path / "one")


def test_a_cluster_that_is_not_there_is_a_sentence() -> None:
    nowhere = Ray(address="127.0.0.1:1", memory_gb=1.0, timeout_seconds=1.0, in_flight=2)
    with pytest.raises(DiscoError, match=r"there is no Ray cluster .*refused"):
        list(nowhere.run(work.behave, [("a", "")]))
