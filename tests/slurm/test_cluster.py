"""On a real SLURM: runs out of time are saved, queued again, and end as if nothing had been."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from tests.slurm.runs import Cluster, assert_same, steps, steps_in, wait_until, whole_run

pytestmark = pytest.mark.slurm
SHORT = "trainer.max_steps=60"
WORK = 220  # seconds: a job has two minutes until it is told to save, even where it is half as fast again
FAR = "trainer.max_steps=1000000"
OUT_OF_TIME = ["hydra.launcher.timeout_min=3", "hydra.launcher.signal_delay_s=60"]
SWEEP = ["hydra/launcher=slurm", "hydra.launcher.cpus_per_task=1", "hydra.launcher.mem_gb=1"]


def swept(cluster: Cluster, *words: str) -> subprocess.Popen[str]:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    return subprocess.Popen(
        [sys.executable, "train.py", "-m", *SWEEP, "hydra.sweep.dir=sweep", *words],
        cwd=cluster.folder,
        env=cluster.environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_points_of_a_sweep_that_run_out_of_time_go_on_in_their_folders(
    cluster: Cluster, words: list[str]
) -> None:
    same = [*words, "model.dropout=0.1"]
    count = steps_in(WORK, cluster.folder / "tried", same, cluster.environment)
    sweep_words = [*same, *OUT_OF_TIME, f"trainer.max_steps=60,{count}"]
    running = swept(cluster, *sweep_words)
    told, complaints = running.communicate(timeout=1800)
    assert running.returncode == 0, f"{told}\n{complaints}"
    sweep = cluster.folder / "sweep"
    assert sorted(path.parent.name for path in sweep.rglob("run.json")) == ["0", "1"]
    logs = "".join(path.read_text() for path in (sweep / ".submitit").rglob("*_log.out"))
    assert re.search(r"job \d+_1 is queued again", logs), "it ran out of time"
    for point, last in (("0", 60), ("1", count)):
        assert steps(sweep / point) == list(range(1, last + 1)), "no step is missing, and none is made twice"
    whole = [*same, f"trainer.max_steps={count}"]
    assert_same(whole_run(cluster.folder / "whole", whole, cluster.environment), sweep / "1")

    again = swept(cluster, *sweep_words)
    told, complaints = again.communicate(timeout=120)
    assert again.returncode == 0, complaints
    assert "#0 finished before" in told, "what is done is not submitted again"
    assert "#1 finished before" in told


def test_a_point_that_is_killed_has_crashed_and_the_other_goes_on(cluster: Cluster, words: list[str]) -> None:
    sweep = cluster.folder / "sweep"
    running = swept(cluster, *words, "trainer.max_steps=60,1000000")
    wait_until(lambda: len(steps(sweep / "1")) > 3)
    array = cluster.call("squeue", "-h", "-o", "%F").split()[0]
    cluster.call("scancel", "--signal=KILL", "--full", f"{array}_1")
    told, _ = running.communicate(timeout=300)
    assert running.returncode == 1
    assert "#0 finished" in told
    assert "#1 crashed" in told
    point = json.loads((sweep / "1" / "point.json").read_text())
    assert point["state"] == "crashed"
    assert "its job ended: FAILED" in point["error"] or "CANCELLED" in point["error"]


def test_processes_of_a_job_share_a_folder(cluster: Cluster, words: list[str]) -> None:
    running = swept(cluster, *words, SHORT, "trainer=ddp_cpu", "seed=1,2")
    told, complaints = running.communicate(timeout=300)
    assert running.returncode == 0, f"{told}\n{complaints}"
    sweep = cluster.folder / "sweep"
    assert sorted(path.name for path in sweep.glob("[0-9]*")) == ["0", "1"]
    for point in ("0", "1"):
        assert steps(sweep / point) == list(range(1, 61))


def test_a_script_that_runs_out_of_time_goes_on_with_all_its_processes(
    cluster: Cluster, words: list[str]
) -> None:
    same = [*words, "trainer=ddp_cpu", "model.dropout=0.1"]
    count = steps_in(WORK, cluster.folder / "tried", same, cluster.environment)
    limits = ["--time=3", "--signal=USR1@60", "--ntasks-per-node=2"]
    job = cluster.submit("one_node.sbatch", *limits, *same, f"trainer.max_steps={count}")
    wait_until(lambda: cluster.ended(job), 1800)
    log = (cluster.folder / f"slurm-{job}.out").read_text()
    assert cluster.state(job) == "COMPLETED", log
    assert cluster.restarts(job) >= 1, log
    assert f"job {job} is queued again" in log
    folder = cluster.folder / f"outputs/train/slurm-{job}"
    assert steps(folder) == list(range(1, count + 1))
    assert list((cluster.folder / "outputs/train").iterdir()) == [folder]
    assert not list(folder.glob("hpc_ckpt*")), "nobody saves in the midst of a step"
    whole = [*same, f"trainer.max_steps={count}"]
    assert_same(whole_run(cluster.folder / "whole", whole, cluster.environment), folder)


def test_an_array_makes_a_run_of_each_line_and_is_asked_for_by_its_place(
    cluster: Cluster, words: list[str]
) -> None:
    (cluster.folder / "runs.txt").write_text(
        "seed=1 trainer.max_steps=60\nseed=2 trainer.max_steps=1000000\n"
    )
    job = cluster.submit("array.sbatch", "--array=1-2", "runs.txt", *words, "trainer=cpu")
    first, second = (cluster.folder / f"outputs/train/slurm-{job}_{line}" for line in (1, 2))
    wait_until(lambda: len(steps(second)) > 3)
    cluster.call("scancel", "--signal=USR1", f"{job}_2")
    wait_until(lambda: cluster.restarts(f"{job}_2") == 1)
    made = len(steps(second))
    wait_until(lambda: len(steps(second)) > made + 3)
    log = (cluster.folder / f"slurm-{job}_2.out").read_text()
    cluster.call("scancel", job)
    wait_until(lambda: cluster.ended(f"{job}_2"))
    assert f"job {job}_2 is queued again" in log
    assert steps(second)[: made + 3] == list(range(1, made + 4))
    assert steps(first) == list(range(1, 61))


def test_a_job_that_is_cancelled_is_saved_and_stays_away(cluster: Cluster, words: list[str]) -> None:
    job = cluster.submit("one_node.sbatch", "--ntasks-per-node=1", *words, "trainer=cpu", FAR)
    folder = cluster.folder / f"outputs/train/slurm-{job}"
    wait_until(lambda: len(steps(folder)) > 3)
    cluster.call("scancel", job)
    wait_until(lambda: cluster.ended(job))
    log = (cluster.folder / f"slurm-{job}.out").read_text()
    assert cluster.state(job) == "CANCELLED"
    assert f"saved at step {steps(folder)[-1]:,}; go on with" in log
    assert cluster.restarts(job) == 0


def test_several_nodes_are_one_run(cluster: Cluster, words: list[str]) -> None:
    job = cluster.submit("several_nodes.sbatch", "--ntasks-per-node=1", *words, "trainer=ddp_cpu", SHORT)
    wait_until(lambda: cluster.ended(job))
    log = (cluster.folder / f"slurm-{job}.out").read_text()
    assert cluster.state(job) == "COMPLETED", log
    folder = cluster.folder / f"outputs/train/slurm-{job}"
    assert steps(folder) == list(range(1, 61))
    here = [*words, "trainer=ddp_cpu", SHORT]
    assert_same(whole_run(cluster.folder / "whole", here, cluster.environment), folder)
    assert "NodeList=n[1-2]" in cluster.call("scontrol", "show", "job", job)
