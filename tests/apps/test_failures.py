"""A run that is ended from outside says why in one line, and how to go on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from disco.apps import train
from disco.apps.failures import in_words
from disco.apps.runs import Run
from disco.core.checkpoint_io import read_checkpoint
from disco.errors import DiscoError
from tests.apps import launched
from tests.apps.launched import ROOT
from tests.tiny_runs import TINY_SYMBOLIC


@pytest.mark.long
def test_a_step_that_takes_more_than_there_is_leaves_a_checkpoint_and_a_hint(
    corner: list[str], tmp_path: Path
) -> None:
    words = [*TINY_SYMBOLIC, *corner, "callbacks.checkpoint.every_n_steps=2", "trainer.max_steps=9"]
    command = [sys.executable, str(launched.SCRIPT), *words, f"hydra.run.dir={tmp_path}", "plan=off"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False,
        env=launched.surroundings(FAULT="memory:4"),
    )  # fmt: skip
    assert done.returncode == 2, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    told = done.stderr.strip().splitlines()[-1]
    assert told.startswith("error: out of memory at step 5 with data.batch_size=4: ")
    assert "halve data.batch_size" in told
    assert f"resume={tmp_path}" in told
    assert read_checkpoint(tmp_path / "checkpoints" / "last.ckpt")["global_step"] == 4
    smaller = ["data.batch_size=2", "trainer.accumulate_grad_batches=2", "resume=auto"]
    launched.alone(tmp_path, [*words, *smaller])
    sizes = {step: len(keys) for step, keys in launched.fed(tmp_path).items()}
    assert sizes == {**dict.fromkeys(range(5), 4), **dict.fromkeys(range(4, 9), 2)}
    assert Run(tmp_path).facts["steps"] == 9


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
            "out of memory at step 8",
        ),
        (MemoryError(), "out of memory at step 8"),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."), "a loader process died"),
        (
            RuntimeError("[gloo] Connection closed by peer [127.0.0.1]:1"),
            "another of the 2 processes is gone",
        ),
    ],
)
def test_what_happened_is_said_in_words(error: Exception, told: str, composed) -> None:
    trainer = SimpleNamespace(global_step=7, world_size=2)
    cfg = composed("train", "model=symbolic")
    with pytest.raises(DiscoError, match=told) as caught, in_words(cfg, trainer):  # type: ignore[arg-type]
        raise error
    assert f"resume={cfg.run_dir}" in str(caught.value)
    assert caught.value.__cause__ is error


def test_slips_of_our_own_keep_their_traceback(composed) -> None:
    trainer = SimpleNamespace(global_step=7, world_size=2)
    with pytest.raises(RuntimeError, match="shapes"), in_words(composed("train"), trainer):  # type: ignore[arg-type]
        raise RuntimeError("shapes do not fit")


@pytest.mark.slow
def test_a_second_run_in_the_same_folder_is_refused_and_the_first_goes_on(
    composed, corner: list[str], tmp_path: Path
) -> None:
    cfg = composed("train", *TINY_SYMBOLIC, *corner, "trainer.max_steps=2")
    holder = (
        f"from pathlib import Path; from disco.apps.runs import Run\n"
        f"with Run(Path({cfg.run_dir!r})).held(): print('held', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(DiscoError, match="another process trains in this folder"):
            train.main(cfg)
        assert sorted(path.name for path in Path(cfg.run_dir).iterdir()) == [".held"]
        other.kill()
    train.main(cfg)
    assert Run(Path(cfg.run_dir)).facts["steps"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("place", ["ddp_cpu", "fsdp_cpu"])
def test_a_sweep_that_would_start_processes_by_itself_names_the_launchers(place: str, tmp_path: Path) -> None:
    command = [sys.executable, "train.py", "-m", f"trainer={place}", "model=symbolic", "seed=1,2"]
    done = subprocess.run(
        [*command, f"hydra.sweep.dir={tmp_path}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "a sweep cannot start trainer.devices=2 processes per job by itself" in done.stderr
    assert "hydra/launcher=submitit_local" in done.stderr
    assert "hydra/launcher=slurm" in done.stderr
    assert not list(tmp_path.rglob("*.ckpt"))
