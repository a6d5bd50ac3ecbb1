"""`python train.py`: data → model → weights → adapter → methods and callbacks → trainer → fit."""

from __future__ import annotations

import logging
import os
import sys
import time
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from disco.apps.bases import none_ships, take_shipped
from disco.apps.batches import settle
from disco.apps.captions import read_ahead
from disco.apps.compose import build, check
from disco.apps.coverage import check_coverage
from disco.apps.failures import in_words
from disco.apps.identity import check_same, identity_of
from disco.apps.loggers import forgiving
from disco.apps.parts import (
    build_adapter,
    build_data,
    build_many,
    build_module,
    build_weights,
    chosen_model,
    how_to_get_a_base,
)
from disco.apps.places import confined
from disco.apps.plan import (
    Plan,
    Sizes,
    check_word,
    foresee,
    measure_plan,
    pays,
    say_briefly,
    say_measured,
    sizes_of,
)
from disco.apps.resume import find_run
from disco.apps.runs import Run, base_of
from disco.apps.self_check import check_adapter
from disco.apps.set_up import SettingUp, setting_up
from disco.apps.sizing import count_parameters, size_up
from disco.apps.soundness import check_soundness
from disco.errors import DiscoError
from disco.executors.worker import die_with_parent

if TYPE_CHECKING:
    import lightning as L

    from disco.core.contracts import Adapter
    from disco.core.datamodule import MusicData
    from disco.core.module import GenerativeModule


def main(cfg: DictConfig) -> float | None:
    """Train what the config says; return the validation loss, for sweeps."""
    _quiet()
    with setting_up(cfg) as waiting:
        return _train(cfg, waiting)


def _train(cfg: DictConfig, waiting: SettingUp) -> float | None:
    import lightning as L  # torch only once the config stands

    _refuse_local_ranks(cfg)
    cfg = inherit(cfg)
    run, checkpoint = _place(cfg)
    check_word(cfg.plan)
    sizes = None if cfg.plan == "off" else foresee(cfg)
    L.seed_everything(cfg.seed, workers=True, verbose=False)

    module = build_module(cfg, training=True)
    sizing = size_up(cfg, count_parameters(module))
    sizing = sizing.also(settle(cfg, None if checkpoint is None else run.config))
    recipe = module.recipe = build(cfg.optim, "optim")
    adapter = build_adapter(cfg)
    build_weights(cfg).load(module)
    adapter.attach(module)
    module.identity = identity_of(cfg)
    if checkpoint is not None:
        check_same(checkpoint, module.identity)
    data = build_data(cfg).serve(module.view)
    trainer = build_trainer(cfg, module)
    waiting.at("looking at the data")
    recipe.check(module, cfg.trainer.max_steps)  # what does not fit is refused before any music is rendered
    coverage = check_coverage(module, data)
    if trainer.is_global_zero:
        check_soundness(data)
    if cfg.plan == "only":
        sys.stdout.write("\n".join(_measured(cfg, sizes, module, data).lines()) + "\n")
        return None
    _end_with_the_first(trainer)
    waiting.at("reading captions")
    read_ahead(module, data)
    trainer.callbacks.extend([*_pruning(), waiting.callback()])  # pyright: ignore[reportAttributeAccessIssue]
    with run.held() if trainer.is_global_zero else nullcontext():
        if trainer.is_global_zero:
            if pays(cfg, trainer.world_size, begun=checkpoint is not None):
                say_briefly(sizes or sizes_of(cfg, module), "the rest is being measured")
                waiting.at("measuring a few dry steps")
                say_measured(_measured(cfg, sizes, module, data))
            else:
                say_briefly(sizes)
            run.begin(cfg)
            sys.stdout.write(f"{sizing}\n{coverage}")
        waiting.at("preparing the data")
        begun = time.monotonic()
        with in_words(cfg, trainer):
            trainer.fit(module, datamodule=data, ckpt_path=checkpoint)
            if checkpoint and "val/loss" not in trainer.callback_metrics:  # it had died after its last step
                trainer.validate(module, datamodule=data, verbose=False)
        module, adapter = _in_one_piece(cfg, module, adapter, trainer)
        if trainer.is_global_zero:
            _finish(run, cfg, module, adapter, trainer, seconds=time.monotonic() - begun)
    loss = trainer.callback_metrics.get("val/loss")
    return None if loss is None else float(loss)


def _quiet() -> None:
    """Leave the terminal to the progress line: no tips, and none of Lightning's advice on loaders."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module=r"lightning\.")


def inherit(cfg: DictConfig) -> DictConfig:
    """Take model, codec and conditioners from the run that is the start; the command line still wins."""
    take_shipped(cfg)
    base = cfg.weights.get("run")
    if base is None:
        return cfg
    if not Run(Path(base)).weights.is_file():
        raise DiscoError(
            f"weights.run: there is no trained base at {base}{none_ships(base)}",
            do=how_to_get_a_base(chosen_model(cfg)),
        )
    inherited = Run(Path(base)).config
    with open_dict(cfg):
        for group in ("model", "codec", "conditioner"):
            cfg[group] = inherited.get(group)
    typed = [
        o for o in HydraConfig.get().overrides.task if o.startswith(("model.", "codec.", "conditioner."))
    ]
    return OmegaConf.merge(cfg, OmegaConf.from_dotlist(typed))  # type: ignore[return-value]


def build_trainer(cfg: DictConfig, module: GenerativeModule) -> L.Trainer:
    """Build the trainer with loggers, callbacks and methods."""
    from lightning.pytorch.callbacks import WeightAveraging
    from lightning.pytorch.utilities.exceptions import MisconfigurationException

    from disco.core.checkpoint_io import SafeCheckpoints

    settings = OmegaConf.create(OmegaConf.to_container(cfg.trainer, resolve=True))
    assert isinstance(settings, DictConfig)
    if settings.precision == "auto":
        settings.precision = _cpu_precision()
    check(settings, "trainer")
    for key in ("accumulate_grad_batches", "max_steps", "num_nodes"):
        if settings[key] < 1:
            raise DiscoError(f"trainer.{key}={settings[key]}: a whole number of at least 1 is needed")
    if settings.val_check_interval is None and settings.check_val_every_n_epoch is None:
        settings.val_check_interval = max(1, settings.max_steps * settings.accumulate_grad_batches // 5)
    if not module.automatic_optimization:
        if settings.accumulate_grad_batches > 1:
            raise DiscoError(
                f"trainer.accumulate_grad_batches={settings.accumulate_grad_batches}: a loss with a critic "
                "makes a step of every batch",
                do="set it to 1 and choose data.batch_size, or leave adversarial out of loss=[…]",
            )
        settings.max_steps *= 2  # the trainer counts the critic's steps too
        if settings.strategy == "ddp":
            settings.strategy = "ddp_find_unused_parameters_true"  # each of two passes reaches one part
    callbacks = {**build_many(cfg.get("method"), "method"), **build_many(cfg.get("callbacks"), "callbacks")}
    logger = build(cfg.logger, "logger")
    try:
        return build(
            settings,
            "trainer",
            # an average of the weights goes back to them when all others have seen its validation
            callbacks=sorted(callbacks.values(), key=lambda callback: isinstance(callback, WeightAveraging)),
            logger=forgiving(logger) if logger else False,
            plugins=[SafeCheckpoints()],
            enable_checkpointing=False,
        )
    except MisconfigurationException as error:  # no such device, a strategy that does not fit, …
        reason = " ".join(str(error).split())
        raise DiscoError(f"trainer.accelerator={settings.accelerator}: {reason}", do="trainer=cpu") from error


def dry_trainer(
    cfg: DictConfig, module: GenerativeModule, batches: int, callbacks: list[L.Callback]
) -> L.Trainer:
    """Build a trainer of a few batches with the methods and no other callbacks; it leaves no files."""
    from disco.apps.parts import nothing

    if not isinstance(cfg.trainer.strategy, str):
        raise DiscoError(
            "what a process of a sharded run needs cannot be measured beforehand",
            do="measure one that holds all weights: plan=only trainer=gpu",
        )
    cfg = cfg.copy()
    with open_dict(cfg):
        cfg.callbacks = {}
        cfg.logger = {"_target_": f"{nothing.__module__}.{nothing.__name__}"}
        cfg.trainer.max_steps = batches
        cfg.trainer.accumulate_grad_batches = 1
        cfg.trainer.limit_val_batches = 0
        cfg.trainer.check_val_every_n_epoch = 1_000_000
    trainer = build_trainer(cfg, module)
    trainer.callbacks.extend(callbacks)  # pyright: ignore[reportAttributeAccessIssue]
    return trainer


def _measured(cfg: DictConfig, sizes: Sizes | None, module: GenerativeModule, data: MusicData) -> Plan:
    """Return the plan that a few dry steps on the data that is ready to be served lead to."""
    data.prepare_data()
    read_ahead(module, data)
    known = sizes or sizes_of(cfg, module)
    return measure_plan(cfg, known, module, data, lambda *asked: dry_trainer(cfg, module, *asked))


def _cpu_precision() -> str:
    """Return bfloat16 autocast where the processor multiplies it natively; elsewhere it is far slower."""
    import torch

    return "bf16-mixed" if torch.ops.mkldnn._is_mkldnn_bf16_supported() else "32-true"


def _place(cfg: DictConfig) -> tuple[Run, Path | None]:
    if cfg.resume in (None, "auto"):
        run = Run(Path(confined(cfg.run_dir, "run_dir")))
    else:
        cfg.run_dir = str(find_run(cfg.resume))  # it goes on in its own folder
        run = Run(Path(cfg.run_dir))
    return run, run.checkpoint if cfg.resume is not None and run.checkpoint.exists() else None


def _in_one_piece(
    cfg: DictConfig, module: GenerativeModule, adapter: Adapter, trainer: L.Trainer
) -> tuple[GenerativeModule, Adapter]:
    """Put the shares of a sharded model together in the first process; all processes must ask."""
    from disco.core.sharding import gathered, is_sharded

    if not is_sharded(module):
        return module, adapter
    state = gathered(module.network_state(), keep=trainer.is_global_zero)
    if not trainer.is_global_zero:
        return module, adapter
    module, adapter = build_module(cfg, training=True), build_adapter(cfg)
    build_weights(cfg).load(module)
    adapter.attach(module)
    module.load_network(state)
    return module, adapter


def _finish(
    run: Run,
    cfg: DictConfig,
    module: GenerativeModule,
    adapter: Adapter,
    trainer: L.Trainer,
    *,
    seconds: float,
) -> None:
    sizes = [(p.numel(), p.requires_grad) for p in module.parameters()]
    facts: dict[str, Any] = {
        "steps": trainer.global_step,
        "seconds": round(seconds, 1),
        "parameters": {"moving": sum(n for n, moves in sizes if moves), "total": sum(n for n, _ in sizes)},
        "measures": {name: float(value) for name, value in trainer.callback_metrics.items()},
        "base": base_of(cfg),
    }
    header = {
        "base": facts["base"].get("sha256", ""),
        "model": cfg.model._target_,
        "adapter": cfg.adapter._target_,
        "steps": str(trainer.global_step),
    }
    run.save(module, adapter, header)
    run.finish(facts)
    if module.adapted:
        told = check_adapter(run, module, trainer)
        run.finish({**facts, "self_check": told})


def _pruning() -> list[L.Callback]:
    """Return what gives up a bad point of a search; nothing outside of one."""
    if "OptunaSweeper" not in str(HydraConfig.get().sweeper.get("_target_")):
        return []
    from disco.apps.sweep.pruning import pruning_callbacks

    return pruning_callbacks()


def _end_with_the_first(trainer: L.Trainer) -> None:
    """End with the process that started this one, if one did: without it others would wait in vain."""
    from lightning.pytorch.plugins.environments import LightningEnvironment

    place = getattr(trainer.strategy, "cluster_environment", None)
    if isinstance(place, LightningEnvironment) and place.local_rank() > 0:
        die_with_parent(os.getppid())


def _refuse_local_ranks(cfg: DictConfig) -> None:
    """A multirun whose jobs start ranks of their own would run the whole sweep in each rank."""
    hydra = HydraConfig.get()
    local = "tasks_per_node" not in hydra.launcher
    if hydra.mode == RunMode.MULTIRUN and local and cfg.trainer.devices not in (1, "1"):
        raise DiscoError(
            f"a sweep cannot start trainer.devices={cfg.trainer.devices} processes per job by itself",
            do="add hydra/launcher=slurm, or hydra/launcher=submitit_local on one machine; "
            "or set trainer.devices=1",
        )
