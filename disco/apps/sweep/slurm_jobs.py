"""What submitit takes to where a point of a sweep is run, and what it finds there."""

from __future__ import annotations

import os
from collections.abc import MutableMapping, Sequence
from typing import Any

import submitit  # pyright: ignore[reportMissingImports]
from hydra._internal.callbacks import Callbacks
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn
from hydra.types import HydraContext, TaskFunction
from hydra_plugins.hydra_submitit_launcher.submitit_launcher import (  # pyright: ignore[reportMissingImports]
    BaseSubmititLauncher,
)
from omegaconf import DictConfig
from submitit.slurm.slurm import (  # pyright: ignore[reportMissingImports]
    SlurmExecutor,
    SlurmJobEnvironment,
)

from disco.callbacks.requeue import requeue
from disco.errors import DiscoError


class Job(BaseSubmititLauncher):
    """One point of a sweep; calling it runs the point, as often as its job is begun again.

    Args:
        hydra_context: of the sweep; its callbacks stay behind, they hold the sweep's folder.
        task_function: the app.
        config: of the sweep.
        words: of the point.
        number: of the point.
        port: at which the processes of a job on this machine meet.
    """

    def __init__(
        self,
        *,
        hydra_context: HydraContext,
        task_function: TaskFunction,
        config: DictConfig,
        words: Sequence[str],
        number: int,
        port: int,
    ) -> None:
        super().__init__()
        alone = HydraContext(config_loader=hydra_context.config_loader, callbacks=Callbacks())
        self.setup(hydra_context=alone, task_function=task_function, config=config)
        self.words = list(words)
        self.number = number
        self.port = port
        self.state = Singleton.get_state()

    def __call__(self) -> JobReturn:
        """Run the point, as one process of it."""
        meet(os.environ, self.port)
        # submitit asks once, and waits for ever
        SlurmJobEnvironment._requeue = _requeue  # pyright: ignore[reportAttributeAccessIssue]
        return super().__call__(self.words, "hydra.sweep.dir", self.number, str(self.number), self.state)

    def checkpoint(self) -> Any:
        """Return what the job does when it is begun again: the same."""
        return submitit.helpers.DelayedSubmission(self)


class Script(SlurmExecutor):
    """Writes what SLURM would get; there need not be one on this machine."""

    @classmethod
    def affinity(cls) -> int:
        """Say that there is one."""
        return 1

    def text(self, jobs: int) -> str:
        """Return the script for so many jobs."""
        if jobs > 1:
            self.parameters["map_count"] = jobs
        return self._make_submission_file_text(self._submitit_command_str, "")


def meet(environment: MutableMapping[str, str], port: int) -> None:
    """Tell Lightning which process of a job on this machine this is; SLURM tells it by itself."""
    if int(environment.get("SUBMITIT_LOCAL_NTASKS", "1")) > 1:
        environment["LOCAL_RANK"] = environment["SUBMITIT_LOCAL_LOCALID"]
        environment["MASTER_ADDR"] = "127.0.0.1"
        environment["MASTER_PORT"] = str(port)


def _requeue(environment: SlurmJobEnvironment, countdown: int) -> None:
    if not requeue(environment.job_id):
        raise DiscoError(
            f"SLURM does not queue job {environment.job_id} again",
            do="begin the sweep once more: it goes on from what was saved",
        )
