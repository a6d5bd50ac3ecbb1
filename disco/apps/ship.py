"""`scripts/ship.py`: a finished run goes into the repository, small, with a card that says what it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf, open_dict
from rich.console import Console

from disco.apps.bases import SHIPPED
from disco.apps.card import card
from disco.apps.runs import Run, open_run
from disco.core.files import write_text
from disco.core.tensors import load_tensors, save_tensors
from disco.errors import DiscoError

if TYPE_CHECKING:
    from torch import Tensor

CARD = "README.md"


def main(cfg: DictConfig) -> list[Path]:
    """Write a folder for the run and one for its codec, each with weights in float16, config, facts, card.

    Raises:
        DiscoError: the run holds an adapter or was not trained on the demo corpus, or a file is too large.
    """
    run = Run(Path(cfg.run))
    into = Path(cfg.into) if Path(cfg.into).is_absolute() else SHIPPED.parent / cfg.into
    config = run.config
    written = []
    codec = config.codec.get("run")
    if codec:
        place = into / "autoencoder"
        written.append(ship(Run(Path(codec)), place, [], cfg.most_mb))
        with open_dict(config):
            config.codec.run = _named(place)
    written.append(ship(run, into / _family(config), list(cfg.scores), cfg.most_mb, config))
    for place in written:
        Console().print(f"written to {place}", soft_wrap=True)
    return written


def ship(run: Run, place: Path, scores: list[str], most_mb: float, config: DictConfig | None = None) -> Path:
    """Write one run; what was there before goes only once the new one opens.

    Raises:
        DiscoError: as `main`.
    """
    config = config or run.config
    if not config.adapter._target_.endswith(".Full"):
        raise DiscoError(
            f"{run.folder} holds an adapter", do=f"fold it in: scripts/merge.py run={run.folder}"
        )
    if not config.data._target_.endswith(".DemoData"):
        raise DiscoError(
            f"{run.folder} was trained on other music than the demo corpus, and its rights are not known",
            do="ship what experiment=demo_base makes",
        )
    draft = place.with_name(f".{place.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        tensors = {name: _halved(value) for name, value in load_tensors(run.weights).items()}
        save_tensors(draft / "weights.safetensors", tensors, {"shipped": "float16"})
        size = (draft / "weights.safetensors").stat().st_size / 1e6
        if size > most_mb:
            raise DiscoError(
                f"{run.folder}: {size:.1f} MB of weights, and a file has at most {most_mb:g}",
                do="train a smaller one, or model.prior=false: its tables are large",
            )
        write_text(draft / "config.yaml", OmegaConf.to_yaml(config))
        write_text(draft / "run.json", json.dumps({**run.facts, "base": {}}, indent=1))
        write_text(draft / CARD, card(run, config, size, scores))
        open_run(draft)
        shutil.rmtree(place, ignore_errors=True)
        draft.rename(place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return place


def _halved(value: Tensor) -> Tensor:
    """Return a weight in float16; whole numbers stay."""
    return value.half() if value.is_floating_point() else value


def _named(place: Path) -> str:
    """Return a folder as the repository's own commands name it."""
    root = SHIPPED.parent
    return str(place.relative_to(root)) if place.is_relative_to(root) else str(place)


def _family(config: DictConfig) -> str:
    return config.model._target_.rpartition(".")[0].rpartition(".")[2]
