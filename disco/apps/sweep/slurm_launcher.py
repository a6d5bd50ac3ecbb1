"""`hydra/launcher=slurm` and `submitit_local`: each point of a sweep is a job, a process for each device."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn

from disco.apps.sweep.slurm_points import Asked, JobLauncher
from disco.core.ranges import PositiveInt
from disco.errors import DiscoError

DRY_RUN = "--dry-run"
OF_A_SWEEP = {"multirun.yaml", "sweep.json", ".held"}  # what Hydra and we write before any job


def printed_only(arguments: list[str]) -> list[str]:
    """Return the command line of a sweep that prints what SLURM would get.

    Raises:
        DiscoError: it is no sweep for SLURM.
    """
    if "hydra/launcher=slurm" not in arguments:
        raise DiscoError(
            f"{DRY_RUN} prints what SLURM would get", do="add hydra/launcher=slurm, or see --cfg job"
        )
    return ["-m", *(word for word in arguments if word != "-m"), "hydra.launcher.dry_run=true"]


@dataclass(kw_only=True)
class SlurmLauncher(JobLauncher):
    """Each point is a job of SLURM; conf/hydra/launcher/slurm.yaml says what the settings are."""

    dry_run: bool
    name: str
    partition: str | None
    account: str | None
    qos: str | None
    nodes: PositiveInt
    cpus_per_task: PositiveInt
    mem_gb: PositiveInt | None
    array_parallelism: PositiveInt
    setup_lines: Sequence[str] | None
    additional_parameters: Mapping[str, Any]

    @property
    def room(self) -> int:
        """As many as there are: SLURM lets them wait."""
        return sys.maxsize

    def queue(self, jobs: Any) -> Any:
        """Return submitit's executor; a job's words to srun stand in the script."""
        kind = jobs.Script if self.dry_run else jobs.SlurmExecutor
        queue = kind(folder=self.submitit_folder, max_num_timeout=self.max_num_timeout)
        wanted = {
            "job_name": self.name,
            "partition": self.partition,
            "account": self.account,
            "qos": self.qos,
            "time": self.timeout_min,
            "nodes": self.nodes,
            "ntasks_per_node": self.tasks_per_node,
            "gpus_per_node": self.gpus() or None,
            "cpus_per_task": self.cpus_per_task,
            "mem": None if self.mem_gb is None else f"{self.mem_gb}GB",
            "signal_delay_s": self.signal_delay_s,
            "array_parallelism": self.array_parallelism,
            "setup": None if self.setup_lines is None else list(self.setup_lines),
            "additional_parameters": {"requeue": True, **self.additional_parameters},
            "stderr_to_stdout": True,
            "srun_args": [f"--cpus-per-task={self.cpus_per_task}", "--kill-on-bad-exit=1"],
        }
        queue.update_parameters(**{name: value for name, value in wanted.items() if value is not None})
        return queue

    def run(self, jobs: Any, waiting: list[Asked], ended: dict[int, JobReturn]) -> None:
        """Submit the points, or show what would be submitted and end."""
        if not self.dry_run:
            super().run(jobs, waiting, ended)
            return
        sys.stdout.write(self.queue(jobs).text(len(waiting)))
        sys.stdout.flush()
        sweep = Path(str(self.config.hydra.sweep.dir))
        if {path.name for path in sweep.iterdir()} <= OF_A_SWEEP:
            shutil.rmtree(sweep)
        raise SystemExit(0)


@dataclass(kw_only=True)
class LocalLauncher(JobLauncher):
    """Each point is a job on this machine; conf/hydra/launcher/submitit_local.yaml says the settings."""

    workers: PositiveInt

    @property
    def room(self) -> int:
        """So many at a time."""
        return self.workers

    def queue(self, jobs: Any) -> Any:
        """Return submitit's executor."""
        queue = jobs.submitit.LocalExecutor(folder=self.submitit_folder, max_num_timeout=self.max_num_timeout)
        queue.update_parameters(
            timeout_min=self.timeout_min,
            signal_delay_s=self.signal_delay_s,
            tasks_per_node=self.tasks_per_node,
            gpus_per_node=self.gpus(),
            stderr_to_stdout=True,
        )
        return queue


for _launcher in (SlurmLauncher, LocalLauncher):
    _launcher.__module__ = "hydra_plugins.disco_musica"  # Hydra builds plugins of this namespace only
