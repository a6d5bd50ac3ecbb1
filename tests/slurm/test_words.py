"""What is said and refused before anything is submitted; none of it needs a cluster."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from disco.apps.sweep.slurm_launcher import printed_only
from disco.errors import DiscoError
from tests.slurm.runs import BATCHES, ROOT
from tests.tiny_runs import TINY_SYMBOLIC

SCRIPTS = sorted(BATCHES.glob("*.sbatch"))
EXTRA = "hydra_plugins.hydra_submitit_launcher"


def train(folder: Path, *words: str, before: str = "") -> subprocess.CompletedProcess[str]:
    code = (
        f"{before}\nimport sys; sys.argv[0] = 'train.py'\nimport disco.apps.launch as it\nit.launch('train')"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *words, f"hydra.sweep.dir={folder}/sweep"],
        cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def test_a_dry_run_is_a_sweep_of_which_only_the_script_is_seen() -> None:
    assert printed_only(["hydra/launcher=slurm", "seed=1,2"]) == [
        "-m", "hydra/launcher=slurm", "seed=1,2", "hydra.launcher.dry_run=true",
    ]  # fmt: skip
    with pytest.raises(DiscoError, match="add hydra/launcher=slurm"):
        printed_only(["model=symbolic"])


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["slurm", "submitit_local"])
def test_without_submitit_the_extra_is_named(launcher: str, tmp_path: Path) -> None:
    missing = "import sys; sys.modules['submitit'] = None"
    done = train(tmp_path, "-m", f"hydra/launcher={launcher}", *TINY_SYMBOLIC, before=missing)
    assert done.returncode == 2
    assert done.stderr == (
        "error: hydra/launcher=slurm and submitit_local need hydra-submitit-launcher; "
        "pip install 'disco-musica[slurm]'\n"
    )


@pytest.mark.slow
def test_the_script_is_printed_and_nothing_is_left(tmp_path: Path) -> None:
    pytest.importorskip(EXTRA)
    wanted = ["hydra.launcher.partition=gpu", "+hydra.launcher.additional_parameters.constraint=a100"]
    words = ["hydra/launcher=slurm", "trainer=ddp", "trainer.devices=4", "trainer.num_nodes=2", *wanted]
    done = train(tmp_path, "--dry-run", *words, *TINY_SYMBOLIC, "trainer.precision=bf16-mixed", "seed=1,2,3")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    for option in (
        "partition=gpu", "constraint=a100", "nodes=2", "ntasks-per-node=4", "gpus-per-node=4", "time=240",
        "signal=USR2@120", "requeue", "open-mode=append", "array=0-2%3",
    ):  # fmt: skip
        assert f"#SBATCH --{option}" in lines
    assert lines[0] == "#!/bin/bash"
    assert any(line.startswith("srun ") and "--kill-on-bad-exit=1" in line for line in lines)
    assert not (tmp_path / "sweep").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["trainer=ddp"], "trainer.devices=-1: a job must know how many processes it is; give their number"),
        (
            ["trainer=cpu,ddp_cpu"],
            "trainer.devices=2, but a job is hydra.launcher.tasks_per_node=1 processes; make a sweep",
        ),
        (
            ["hydra.launcher.timeout_min=1"],
            "hydra.launcher.signal_delay_s=120: a job has 1 minutes; raise hydra.launcher.timeout_min",
        ),
    ],
)
def test_jobs_that_cannot_be_are_refused_before_they_are_queued(words, told, tmp_path: Path) -> None:
    pytest.importorskip(EXTRA)
    done = train(tmp_path, "-m", "hydra/launcher=slurm", *TINY_SYMBOLIC, *words)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {told}")


@pytest.mark.slow
def test_a_slip_in_what_a_job_needs_is_answered_with_the_right_word(tmp_path: Path) -> None:
    done = train(tmp_path, "-m", "hydra/launcher=slurm", *TINY_SYMBOLIC, "hydra.launcher.partiton=gpu")
    assert done.returncode == 2
    told = "hydra.launcher.partiton: SlurmLauncher has no parameter 'partiton'; did you mean 'partition'?"
    assert done.stderr == f"error: {told}\n"


@pytest.mark.slow
def test_a_sweep_cannot_start_processes_by_itself(tmp_path: Path) -> None:
    done = train(tmp_path, "-m", *TINY_SYMBOLIC, "trainer=ddp_cpu", "seed=1,2")
    assert "add hydra/launcher=slurm, or hydra/launcher=submitit_local on one machine" in done.stderr


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_is_edited_in_three_lines_and_asks_to_go_on(script: Path) -> None:
    lines = script.read_text().splitlines()
    first = lines[1:4]
    assert [re.search(r"# ([1-3])\. ", line)[1] for line in first] == ["1", "2", "3"]  # type: ignore[index]
    options = [line.split("#SBATCH ")[1].split("#")[0] for line in lines if line.startswith("#SBATCH ")]
    told = " ".join(options).split()
    assert "--requeue" in told
    assert "--signal=USR1@120" in told
    assert "--open-mode=append" in told
    assert "resume=auto" in script.read_text()
    assert not re.search(r"(^|[\s\"'=:-])/[a-z]", "\n".join(lines[1:])), "a path of some machine"
    subprocess.run(["bash", "-n", script], check=True)


@pytest.mark.long
def test_jobs_of_two_processes_on_one_machine_leave_a_folder_each(corner: list[str], tmp_path: Path) -> None:
    pytest.importorskip(EXTRA)
    words = ["hydra/launcher=submitit_local", "trainer=ddp_cpu", "trainer.max_steps=16", "seed=1,2"]
    done = train(tmp_path, "-m", *TINY_SYMBOLIC, *corner, *words)
    assert done.returncode == 0, done.stderr
    sweep = tmp_path / "sweep"
    assert sorted(path.parent.name for path in sweep.rglob("run.json")) == ["0", "1"]
    runs = sorted(path.parent.name for path in sweep.rglob("config.yaml") if path.parent.name != ".hydra")
    assert runs == ["0", "1"], "a process each, and no folder more"
    for run in runs:
        rows = (sweep / run / "history.jsonl").read_text().splitlines()
        assert sum('"lr"' in row for row in rows) == 1, "one of them writes, at step 10"
