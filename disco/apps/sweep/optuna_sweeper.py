"""`hydra/sweeper=optuna`: a search instead of a grid, that a file remembers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from disco.apps.sweep.points import read_point
from disco.apps.sweep.spaces import split, words_for
from disco.core.ranges import PositiveInt
from disco.errors import DiscoError

if TYPE_CHECKING:
    from hydra.plugins.launcher import Launcher
    from optuna.study import Study  # pyright: ignore[reportMissingImports]

STUDY = "study"


class OptunaSweeper(Sweeper):
    """Asks Optuna for points, has the launcher run them, and tells it what came out.

    A killed search goes on in its folder: points that were running are run to their end first. A crashed
    point counts as one of the trials.

    Args:
        trials: points of the whole search, those of before a restart included.
        at_once: points that the launcher gets together.
        seed: of the sampler.
        sampler: node of `hydra/sweeper/sampler`.
        pruner: node of `hydra/sweeper/pruner`.
        params: further words, as for the grid.
    """

    __module__ = "hydra_plugins.disco_musica"  # Hydra builds plugins of this namespace only

    def __init__(
        self,
        *,
        trials: PositiveInt,
        at_once: PositiveInt,
        seed: int,
        sampler: DictConfig,
        pruner: DictConfig,
        params: Mapping[Any, Any] | None,
    ) -> None:
        self.trials = trials
        self.at_once = at_once
        self.seed = seed
        self.sampler = sampler
        self.pruner = pruner
        self.params = params or {}
        self.launcher: Launcher | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands over."""
        self.hydra_context = hydra_context
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> list[JobReturn]:
        """Search until there are `trials` points.

        Raises:
            DiscoError: Optuna is not installed, or there is nothing to search.
        """
        need_optuna()
        assert self.hydra_context is not None
        assert self.config is not None
        from optuna.trial import TrialState  # pyright: ignore[reportMissingImports]

        words = [f"{key}={value}" for key, value in self.params.items()]
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        fixed, space = split(parser.parse_overrides([*words, *arguments]))
        if not space:
            raise DiscoError(
                "hydra/sweeper=optuna: there is nothing to search",
                do="give a key a space, as in optim.lr='tag(log, interval(1e-5,1e-2))'",
            )
        folder = Path(self.config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self.config, folder / "multirun.yaml")
        study = self._study(folder)
        returned: list[JobReturn] = []
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if set(trial.params) == set(space):
                returned += self._run(study, [trial.number], [words_for(fixed, trial.params)])
            else:
                study.tell(trial.number, state=TrialState.FAIL)  # it was killed before it knew its point
        for count in self._batches(study):
            asked = [study.ask(space) for _ in range(count)]
            points = [words_for(fixed, trial.params) for trial in asked]
            self.validate_batch_is_legal(points)
            returned += self._run(study, [trial.number for trial in asked], points)
        return returned

    def _batches(self, study: Study) -> Iterator[int]:
        while (left := self.trials - len(study.get_trials(deepcopy=False))) > 0:
            yield min(left, self.at_once)

    def _study(self, folder: Path) -> Study:
        import optuna  # pyright: ignore[reportMissingImports]

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(
            storage=storage_of(folder),
            study_name=STUDY,
            pruner=_built(self.pruner),
            load_if_exists=True,
        )
        # one that begins anew must not draw again what it drew before
        study.sampler = _built(self.sampler, seed=self.seed + len(study.get_trials(deepcopy=False)))
        return study

    def _run(self, study: Study, numbers: list[int], points: Sequence[Sequence[str]]) -> list[JobReturn]:
        from optuna.trial import TrialState  # pyright: ignore[reportMissingImports]

        assert self.launcher is not None
        assert self.config is not None
        returned = self.launcher.launch(points, initial_job_idx=numbers[0])
        for number, job in zip(numbers, returned, strict=True):
            point = read_point(Path(self.config.hydra.sweep.dir) / str(number))
            value = job.return_value if job.status == JobStatus.COMPLETED else None
            if point is not None and point.state == "pruned":
                study.tell(number, state=TrialState.PRUNED)
            elif value is None or not math.isfinite(value):
                study.tell(number, state=TrialState.FAIL)
            else:
                study.tell(number, value)
        return list(returned)


def need_optuna() -> None:
    """Refuse to go on without Optuna.

    Raises:
        DiscoError: names the extra.
    """
    try:
        import optuna  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise DiscoError(
            "hydra/sweeper=optuna needs optuna", do="pip install 'disco-musica[sweep]'"
        ) from error
    del optuna


def storage_of(folder: Path) -> str:
    """Return where the search of a sweep's folder is remembered."""
    return f"sqlite:///{folder.resolve() / 'study.db'}"


def _built(node: DictConfig, **more: Any) -> Any:
    target = str(node.get("_target_"))
    if not target.startswith(("optuna.samplers.", "optuna.pruners.")):
        raise DiscoError(
            f"hydra.sweeper: {target} is no sampler or pruner", do="choose hydra/sweeper/sampler=…"
        )
    return instantiate(node, **more)
