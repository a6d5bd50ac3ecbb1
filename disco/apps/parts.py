"""Builds the parts of a run and hands each what it needs of the others."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from disco.apps.compose import build, resolve
from disco.core.term import check_needs
from disco.errors import DiscoError

if TYPE_CHECKING:
    from disco.core.contracts import Adapter, Codec, Weights
    from disco.core.datamodule import MusicData
    from disco.core.module import GenerativeModule


def how_to_get_a_base(model: str) -> str:
    """Say which commands train a base of a family."""
    from disco.apps.demo import STAGES

    trains = f"`python train.py model={model}`"
    demo = any(f"model={model}" in stage.words and stage.makes.endswith("run.json") for stage in STAGES)
    how = f"`make demo` trains one, so does {trains}" if demo else f"{trains} trains one"
    return f"{how}; then give weights=run weights.run=<its folder>"


def chosen_model(cfg: DictConfig) -> str:
    """Return the option that was chosen for `model`; outside of the command line its module's name."""
    from hydra.core.hydra_config import HydraConfig

    chosen = HydraConfig.get().runtime.choices.get("model") if HydraConfig.initialized() else None
    return chosen or cfg.model._target_.rpartition(".")[0].rpartition(".")[2]


def nothing() -> None:
    """Build nothing: the option `none` of a group."""


def build_many(cfg: DictConfig | None, group: str) -> dict[str, Any]:
    """Build every node of a many-of group, by name."""
    return {str(name): build(node, f"{group}.{name}") for name, node in (cfg or {}).items() if node}


def build_codec(cfg: DictConfig) -> Codec | None:
    """Build the codec; one that stands for a run gets that run's model."""
    if "inner" in cfg:
        outer = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "inner"])
        return build(outer, "codec", inner=build_codec(cfg.inner))
    if "run" not in cfg:
        return build(cfg, "codec")
    from disco.apps.runs import Run, open_run  # a run's model may itself need a codec

    if not Run(Path(cfg.run)).weights.is_file():
        raise DiscoError(
            f"codec.run: there is no trained codec at {cfg.run}",
            do="`make demo` trains one, so does `python train.py model=autoencoder`; "
            "then give codec=run codec.run=<its folder>",
        )

    return build(cfg, "codec", autoencoder=open_run(cfg.run))


def build_module(cfg: DictConfig, *, training: bool) -> GenerativeModule:
    """Build the model with its codec, conditioners, losses and optimiser."""
    target: Any = resolve(cfg.model._target_, "model")
    wanted = parameters_of(target)
    terms = build_many(cfg.get("loss"), "loss") if training else {}
    if training:
        check_needs(terms, target.offers, _stem(target))
    extra: dict[str, Any] = {"terms": terms, "recipe": build(cfg.optim, "optim") if training else None}
    if "codec" in wanted:
        import torch  # the config stands by now

        with torch.device("cpu"):  # it has weights, also where a plan builds the model without any
            extra["codec"] = build_codec(cfg.codec)
        if extra["codec"] is None:
            raise DiscoError(
                f"model={_stem(target)} needs a codec, and codec=none",
                do="train one with `python train.py model=autoencoder`: codec=run codec.run=<its folder>",
            )
    if "conditioners" in wanted:
        extra["conditioners"] = build_many(cfg.get("conditioner"), "conditioner")
    return build(cfg.model, "model", **extra)


def build_adapter(cfg: DictConfig) -> Adapter:
    """Build the adapter; one that adapts a base refuses to start without weights."""
    adapter = build(cfg.adapter, "adapter")
    if adapter.needs_base and cfg.weights._target_.endswith(".Random"):
        raise DiscoError(
            "this adapter adapts a trained base, and weights=none is random",
            do=how_to_get_a_base(chosen_model(cfg)),
        )
    return adapter


def build_weights(cfg: DictConfig) -> Weights:
    """Build what fills in the weights."""
    return build(cfg.weights, "weights")


def build_data(cfg: DictConfig) -> MusicData:
    """Build the data module with its augmentations."""
    data = build(cfg.data, "data", augments=build_many(cfg.get("augment"), "augment"))
    data.fraction = cfg.get("data_fraction", 1.0)
    if not 0 < data.fraction <= 1:
        raise DiscoError(
            f"data_fraction={data.fraction}: it must be above 0 and at most 1", do="0.15 is usual"
        )
    return data


def parameters_of(target: Any) -> Mapping[str, Any]:
    """Return the arguments that a target takes, by name."""
    return inspect.signature(target).parameters


def _stem(target: Any) -> str:
    return target.__module__.rpartition(".")[2]
