"""`scripts/average.py`: several trained runs of one model become one (model soups).

Wortsman et al. 2022, "Model soups", arXiv 2203.05482.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig
from rich.console import Console

from disco.apps.identity import WHOLE, identity_of
from disco.apps.parts import build_adapter, build_data, build_module, build_weights
from disco.apps.runs import Run, check_base, read_weights
from disco.errors import DiscoError

if TYPE_CHECKING:
    from torch import Tensor

    from disco.core.module import GenerativeModule

HOWS = ("uniform", "greedy")


@dataclass(frozen=True)
class Member:
    """Weights that may go into the average, and the run that they are of."""

    name: str
    run: Run
    weights: Path


def main(cfg: DictConfig) -> dict[str, Any]:
    """Write a run folder that holds the average; return what `run.json` says of it."""
    if cfg.how not in HOWS:
        raise DiscoError(f"how={cfg.how}: there is no such average", do=f"choose from {', '.join(HOWS)}")
    members = [member_of(str(path)) for path in cfg.runs]
    if len(members) < 2:
        raise DiscoError(f"runs={list(cfg.runs)}: an average needs two or more", do="name further runs")
    check_alike(members)
    first = members[0].run
    pot = Pot(first, judging=cfg.how == "greedy")
    found = greedy(members, pot) if cfg.how == "greedy" else uniform(members, pot)
    pot.module.load_network(found.tensors)
    run = Run(Path(cfg.run_dir))
    run.begin(first.config)
    run.save(pot.module, pot.adapter, {"base": first.facts.get("base", {}).get("sha256", "")})
    whole = {
        **first.facts,
        "how": cfg.how,
        "members": [member.name for member in members],
        "taken": found.taken,
        "losses": found.losses,
    }
    run.finish(whole)
    console = Console(soft_wrap=True, highlight=False)
    for name, loss in found.losses.items():
        console.print(f"val/loss {loss:.6f}  {name}", markup=False)
    console.print(
        f"{run.folder}: {cfg.how} average of {len(found.taken)} of {len(members)} runs", markup=False
    )
    return whole


def member_of(path: str) -> Member:
    """Find the weights that a path means: a run's last ones, or a file of a run.

    Raises:
        DiscoError: there are none, or they lie in no run folder.
    """
    given = Path(path)
    weights = Run(given).weights if given.is_dir() else given
    if not (weights.is_file() and weights.suffix == ".safetensors"):
        raise DiscoError(
            f"runs: there are no weights at {path}", do="name a finished run, or a .safetensors file of one"
        )
    for folder in weights.absolute().parents:
        if (folder / "config.yaml").is_file():
            return Member(path, Run(folder), weights)
    raise DiscoError(f"runs: {path} lies in no run folder", do="name weights where train.py left them")


def check_alike(members: Sequence[Member]) -> None:
    """Refuse weights that are not of one model on one base.

    Raises:
        DiscoError: names the first that differs.
    """
    first = members[0].run
    for member in members[1:]:
        here, there = _shape_of(member.run), _shape_of(first)
        if apart := sorted(name for name in {*here, *there} if here.get(name) != there.get(name)):
            raise DiscoError(
                f"{member.name} is of another model than {members[0].name}: {', '.join(apart[:3])} differ",
                do="average runs of one model",
            )
        if member.run.facts.get("base", {}).get("sha256") != first.facts.get("base", {}).get("sha256"):
            raise DiscoError(
                f"{member.name} adapts another base than {members[0].name}", do="average runs on one base"
            )


def _shape_of(run: Run) -> dict[str, Any]:
    """Return what runs must share: model, adapter and conditioners as they are built, and one codec."""
    return {name: value for name, value in identity_of(run.config).items() if name.split(".")[0] in WHOLE}


def mean_of(many: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the arithmetic mean of each tensor, taken in double precision.

    Whole numbers (steps, counted tables) cannot be averaged: those of the first stay.
    """
    import torch

    def mean(name: str) -> Tensor:
        values = [one[name] for one in many]
        if not values[0].is_floating_point():
            return values[0]
        return torch.stack([value.double() for value in values]).mean(0).to(values[0].dtype)

    return {name: mean(name) for name in many[0]}


@dataclass(frozen=True)
class Soup:
    """An average: its tensors, the members in it, and validation losses, where they were measured."""

    tensors: dict[str, Tensor]
    taken: list[str]
    losses: dict[str, float]


def uniform(members: Sequence[Member], pot: Pot) -> Soup:
    """Return the mean of all."""
    return Soup(mean_of([pot.read(member) for member in members]), [m.name for m in members], {})


def greedy(members: Sequence[Member], pot: Pot) -> Soup:
    """Begin with the best on the validation set; keep each further one that does not make the mean worse.

    So the result is never worse there than the best member.
    """
    losses = {member.name: pot.judge(pot.read(member)) for member in members}
    ranked = sorted(members, key=lambda member: (math.isnan(losses[member.name]), losses[member.name]))
    taken, kept = [ranked[0].name], [pot.read(ranked[0])]
    best, tensors = losses[ranked[0].name], dict(kept[0])
    for member in ranked[1:]:
        tried = [*kept, pot.read(member)]
        mean = mean_of(tried)
        loss = pot.judge(mean)
        if loss <= best:
            best, tensors, kept, taken = loss, mean, tried, [*taken, member.name]
    return Soup(tensors, taken, {**{member.name: losses[member.name] for member in ranked}, "average": best})


class Pot:
    """A run's model, which weights are poured into.

    Args:
        judging: build the losses and the validation data too.
    """

    def __init__(self, run: Run, *, judging: bool) -> None:
        cfg = run.config
        self.module: GenerativeModule = build_module(cfg, training=judging)
        self.adapter = build_adapter(cfg)
        if self.adapter.needs_base:
            check_base(cfg, run.facts.get("base", {}))
            build_weights(cfg).load(self.module)
        self.adapter.attach(self.module)
        self.module.eval()
        self.data = build_data(cfg).serve(self.module.view) if judging else None
        if self.data is not None:
            self.data.prepare_data()

    def read(self, member: Member) -> dict[str, Tensor]:
        """Return a member's tensors under the model's own names."""
        return read_weights(member.weights, self.module)

    def judge(self, tensors: Mapping[str, Tensor]) -> float:
        """Return the validation loss, the mean over everything that counts."""
        import torch

        from disco.core.steps import judged

        assert self.data is not None, "built for judging"
        self.module.load_network(tensors)
        total = counted = 0.0
        with torch.no_grad():
            for batch in self.data.val_dataloader():
                out = self.module(batch)
                total += float(judged(self.module, out, batch)[0]) * out.count
                counted += out.count
        return total / counted
