"""Tells the search how a point does after each validation round, and gives it up when the search says so."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import lightning as L
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from disco.apps.sweep.optuna_sweeper import STUDY, storage_of
from disco.apps.sweep.points import mark_pruned
from disco.callbacks.together import say


class Prune(L.Callback):
    """Reports the validation loss to an Optuna trial, and stops the run when it is among the worst.

    Args:
        trial: of Optuna; None in all processes but the first.
        folder: of the point.
    """

    def __init__(self, trial: Any, folder: Path) -> None:
        self.trial = trial
        self.folder = folder

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Report the round."""
        value = trainer.callback_metrics.get("val/loss")
        if trainer.sanity_checking or value is None:
            return
        step, enough = trainer.global_step, False
        if trainer.is_global_zero and self.trial is not None and math.isfinite(float(value)):
            self.trial.report(float(value), step)
            enough = step < trainer.max_steps and self.trial.should_prune()
        if trainer.strategy.reduce_boolean_decision(bool(enough), all=False):
            trainer.should_stop = True
            if trainer.is_global_zero:
                mark_pruned(self.folder, step)
            say(trainer, f"pruned after step {step}: val/loss is {float(value):.4g}")


def pruning_callbacks() -> list[L.Callback]:
    """Return the callback of a point of a search that prunes, and nothing elsewhere."""
    hydra = HydraConfig.get()
    pruner = hydra.sweeper.get("pruner")
    if hydra.mode != RunMode.MULTIRUN or pruner is None or pruner._target_.endswith(".NopPruner"):
        return []
    import optuna  # pyright: ignore[reportMissingImports]
    from hydra.utils import instantiate

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.load_study(
        study_name=STUDY, storage=storage_of(Path(hydra.sweep.dir)), pruner=instantiate(pruner)
    )
    frozen = study.get_trials(deepcopy=False)[int(hydra.job.num)]
    return [Prune(optuna.trial.Trial(study, frozen._trial_id), Path(hydra.runtime.output_dir))]
