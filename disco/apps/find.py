"""`scripts/find.py`: a learning rate and a batch size for a training config, by trying them out."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, open_dict
from rich.console import Console

from disco.apps.batches import largest_batch, settle
from disco.apps.compose import build
from disco.apps.parts import build_adapter, build_data, build_module, build_weights
from disco.apps.plan import free_memory
from disco.apps.sizing import count_parameters, size_up
from disco.apps.train import dry_trainer, inherit
from disco.core.files import write_text
from disco.drafts import drafted
from disco.errors import DiscoError

if TYPE_CHECKING:
    import lightning as L

    from disco.core.datamodule import MusicData
    from disco.core.module import GenerativeModule


def main(cfg: DictConfig) -> dict[str, Any]:
    """Write `found.json` and a picture of the losses, and say what to type; nothing else is left behind."""
    unknown = sorted(set(cfg.what) - set(FINDERS))
    if unknown or not cfg.what:
        raise DiscoError(f"what={list(cfg.what)}: there is nothing to find", do="choose from [lr,batch]")
    for key in ("lr.lowest", "lr.highest", "lr.steps", "batch.most", "batch.steps"):
        group, name = key.split(".")
        if cfg[group][name] <= 0:
            raise DiscoError(f"{key}={cfg[group][name]}: it must be above 0", do=f"give {key}=…")
    cfg = inherit(cfg)
    folder = Path(cfg.run_dir)
    found: dict[str, Any] = {}
    for name in [name for name in FINDERS if name in cfg.what]:  # the rate is that of the found size
        found |= FINDERS[name](cfg, folder)
        if name == "batch":
            cfg.data.batch_size = found["data.batch_size"]
            found |= {} if cfg.effective_batch is None else {"effective_batch": cfg.effective_batch}
    write_text(folder / "found.json", json.dumps(found, indent=1))
    typed = " ".join(f"{key}={found[key]:g}" for key in TYPED if key in found)
    console = Console(soft_wrap=True, highlight=False)
    console.print(typed, markup=False)
    console.print(f"the trials: {folder}")
    return found


def find_rate(cfg: DictConfig, folder: Path) -> dict[str, Any]:
    """Raise the rate step by step and suggest where the loss falls fastest.

    Raises:
        DiscoError: the model has a critic, or the loss never falls.
    """
    from lightning.pytorch.tuner import Tuner

    module, data = _parts(cfg)
    if not module.automatic_optimization:
        raise DiscoError("a model with a critic has two rates", do="leave adversarial out of loss=[…]")
    settle(cfg)  # a step sees the items that it will see in training
    with _scratch(cfg) as scratch:
        trainer = dry_trainer(scratch, module, cfg.lr.steps, [])
        trainer.accumulate_grad_batches = cfg.trainer.accumulate_grad_batches
        finder = Tuner(trainer).lr_find(
            module,
            datamodule=data,
            min_lr=cfg.lr.lowest,
            max_lr=cfg.lr.highest,
            num_training=cfg.lr.steps,
            early_stop_threshold=cfg.lr.stop_above,
            update_attr=False,
        )
    rates, losses = (finder.results[name] if finder else [] for name in ("lr", "loss"))
    rate = finder.suggestion(skip_begin=min(10, len(losses) // 6)) if finder else None
    if rate is None:
        raise DiscoError("the loss could not be followed", do="give more lr.steps, or a lower lr.highest")
    _draw(folder / "lr.png", rates, losses, rate)
    return {"optim.lr": float(f"{rate:.2g}"), "rates": rates, "losses": losses}


def find_batch(cfg: DictConfig, folder: Path) -> dict[str, Any]:
    """Double the batch size until memory, the data or `batch.most` ends it; the last that went well.

    Of an `effective_batch` it is the largest below, of which whole batches make it.

    A process that asks the system for more memory than there is gets no error, it is killed. So sizes
    whose step is foreseen to take more than `batch.memory_share` of what is free are not tried.
    """
    from lightning.pytorch.tuner import Tuner

    from disco.apps.dry import SMALL, measure, peak_at

    module, data = _parts(cfg)
    with _scratch(cfg) as scratch:

        def make(batches: int, callbacks: list[L.Callback]) -> L.Trainer:
            return dry_trainer(scratch, module, batches, callbacks)

        small, larger = (measure(module, data, make, batch_size=size, timed=False) for size in SMALL)
        free = cfg.batch.memory_share * free_memory(cfg)
        sizes = [1]
        while sizes[-1] * 2 <= min(cfg.batch.most, len(data.dataset("train"))):  # type: ignore[arg-type]
            if peak_at(sizes[-1] * 2, small, larger) - small.held > free:
                break
            sizes.append(sizes[-1] * 2)
        data.num_workers = 0
        found = Tuner(make(cfg.batch.steps, [])).scale_batch_size(
            module,
            datamodule=data,
            init_val=1,
            max_val=sizes[-1],
            steps_per_trial=cfg.batch.steps,
        )
    size = largest_batch(cfg, min(found or 1, sizes[-1]))
    return {"data.batch_size": size, "peak_bytes": peak_at(size, small, larger)}


TYPED = ("data.batch_size", "effective_batch", "optim.lr")  # of what is found, on the command line
FINDERS: dict[str, Callable[[DictConfig, Path], dict[str, Any]]] = {"batch": find_batch, "lr": find_rate}


def _parts(cfg: DictConfig) -> tuple[GenerativeModule, MusicData]:
    import lightning as L

    L.seed_everything(cfg.seed, workers=True, verbose=False)
    module = build_module(cfg, training=True)
    size_up(cfg, count_parameters(module))
    module.recipe = build(cfg.optim, "optim")
    adapter = build_adapter(cfg)
    build_weights(cfg).load(module)
    adapter.attach(module)
    return module, build_data(cfg).serve(module.view)


@contextmanager
def _scratch(cfg: DictConfig) -> Iterator[DictConfig]:
    """Yield the config with a run folder that vanishes."""
    with tempfile.TemporaryDirectory(prefix="find-") as folder:
        cfg = cfg.copy()
        with open_dict(cfg):
            cfg.run_dir = folder
        yield cfg


def _draw(path: Path, rates: Sequence[float], losses: Sequence[float], rate: float) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(rates[: len(losses)], losses)
    axes.axvline(rate, linestyle="--", color="tab:red", label=f"suggested: {rate:.2g}")
    axes.set(xscale="log", xlabel="learning rate", ylabel="training loss, smoothed")
    axes.legend()
    with drafted(path) as draft:
        figure.savefig(draft, dpi=120)
