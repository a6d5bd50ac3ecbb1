"""Does the adapter that lies in a run folder, or the model merged from it, do what the one in memory does?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from rich.console import Console
from torch import Tensor

from disco.adapters.peft_layers import peft_names
from disco.apps.mixing import Part, open_start
from disco.apps.runs import Run, open_base, open_run
from disco.core.tensors import load_tensors
from disco.errors import DiscoError

if TYPE_CHECKING:
    import lightning as L

    from disco.core.batch import Batch
    from disco.core.module import GenerativeModule

SAME = 1e-5  # of the largest answer in float32, where merging rounds
ROUNDED = 1e-3  # of what the adapter changes: a large update rounds more when it is merged
NOTHING = 1e-6  # of the largest answer: what rounding alone changes
FEW = 0.01  # of a codec's tokens: so many may lie on an edge between two entries, where rounding decides


def check_adapter(run: Run, module: GenerativeModule, trainer: L.Trainer) -> dict[str, float]:
    """Open the run as a user will, and compare it with its base, with the memory and with its merged self.

    Returns how much the adapter changes what the model says on a validation batch: mean and largest
    difference from the base, which is given the counts of the new data too, where there are some; what
    these change; `learnt`, the largest difference from the adapter as it began, which is the base for those
    that begin as the identity; and the largest differences of the reopened and of the merged model from the
    trained one.

    Raises:
        DiscoError: training changed nothing, or what was saved or merged says something else.
    """
    batch = next(iter(trainer.datamodule.val_dataloader()))  # type: ignore[attr-defined]  fit set it
    module = module.cpu().eval()
    trained = _said(module, batch)
    opened, adapter = open_base(run)
    base = {name: value.clone() for name, value in opened.state_dict().items()}
    kept = load_tensors(run.weights)
    names = peft_names(base)
    counted = {name: kept[names[name]] for name in _counted(opened) if names[name] in kept}
    told, before = _base_said(opened, counted, batch)
    adapter.attach(opened)
    begun = _said(opened, batch)
    run.load(opened)
    again = _said(opened, batch)
    told |= _changed(again, before)
    told["learnt"] = _changed(again, begun)["largest_change"]
    told["reopened"] = _apart(again, trained)
    if adapter.mergeable:
        adapter.merge(opened)
        told["merged"] = _apart(_said(opened, batch), trained)
    _judge(told, trained, _exactness(module))
    moved = sum(t.numel() * t.element_size() for t in kept.values())
    whole = sum(t.numel() * t.element_size() for t in base.values())
    told["size_of_base"] = moved / whole
    _say("the adapter", told, f"it has {100 * told['size_of_base']:.1f} % of the base's bytes")
    return told


def check_merged(run: Run, parts: Sequence[Part], merged: GenerativeModule) -> dict[str, float]:
    """Open a merged run, and compare it with its base, the memory and, where it is one, the adapter unmerged.

    Raises:
        DiscoError: it says something else, or what its base says.
    """
    from disco.apps.parts import build_data

    batch = next(iter(build_data(run.config).serve(merged.view).val_dataloader()))
    made = _said(merged.cpu(), batch)
    base, _ = open_start(parts[0].run)
    state = merged.state_dict()
    told, before = _base_said(base, {name: state[name] for name in _counted(base)}, batch)
    told |= _changed(made, before)
    told["reopened"] = _apart(_said(open_run(run.folder), batch), made)
    if len(parts) == 1 and parts[0].strength == 1:
        told["merged"] = _apart(_said(open_run(parts[0].run.folder), batch), made)
    _judge(told, made, _exactness(merged))
    _say("what was merged", told, f"judged on {len(batch)} validation items")
    return told


@dataclass(frozen=True)
class _Said:
    """What a model answers to a batch, and a codec's tokens on the way."""

    values: Tensor
    codes: Tensor | None


@torch.no_grad()
def _said(module: GenerativeModule, batch: Batch) -> _Said:
    out = module.eval()(batch)
    values = next(x for x in (out.logits, out.wave, out.magnitude) if x is not None).float()
    return _Said(values.unflatten(0, (len(batch), -1)), out.codes)


def _counted(module: GenerativeModule) -> list[str]:
    return [name for name in module.state_dict() if name.startswith(module.counted)]


def _base_said(
    base: GenerativeModule, counted: Mapping[str, Tensor], batch: Batch
) -> tuple[dict[str, float], _Said]:
    """Return what the base says with the counts of the new data, and what these change."""
    before = _said(base, batch)
    state = base.state_dict()
    if all(torch.equal(value, state[name]) for name, value in counted.items()):
        return {}, before
    for name, value in counted.items():
        state[name].copy_(value)
    after = _said(base, batch)
    return {"recounted_change": float((after.values - before.values).abs().mean())}, after


def _changed(said: _Said, base: _Said) -> dict[str, float]:
    apart = (said.values - base.values).abs()
    return {"mean_change": float(apart.mean()), "largest_change": float(apart.max())}


def _apart(said: _Said, other: _Said) -> float:
    """Return the largest difference, where few tokens differ of the items with the same ones."""
    items = torch.ones(len(said.values), dtype=torch.bool)
    if said.codes is not None and other.codes is not None:
        differ = said.codes != other.codes
        if differ.float().mean() < FEW and not differ.flatten(1).any(1).all():
            items = ~differ.flatten(1).any(1)
    return float((said.values - other.values)[items].abs().max())


def _exactness(module: GenerativeModule) -> float:
    """Return how close answers must be, as a share of the largest: coarser weights round more."""
    steps = [torch.finfo(p.dtype).eps for p in module.parameters() if p.is_floating_point()]
    return max(SAME, 2 * max(steps))


def _judge(told: Mapping[str, float], trained: _Said, same: float) -> None:
    largest = max(1.0, float(trained.values.abs().max()))
    do = "train longer, raise optim.lr, or name more sites"
    if told["largest_change"] <= NOTHING * largest:
        also = ", only what was counted again does" if "recounted_change" in told else ""
        raise DiscoError(f"the adapter changes nothing{also}", do=do)
    if told.get("learnt", largest) <= NOTHING * largest:
        raise DiscoError("the adapter learnt nothing: it says what it said before the first step", do=do)
    close = same * largest
    limits = {"reopened": close, "merged": max(close, ROUNDED * told["largest_change"])}
    for name, limit in limits.items():
        if told.get(name, 0.0) > limit:
            raise DiscoError(f"the {name} adapter differs from the trained one by {told[name]:.3g}")


def _say(what: str, told: Mapping[str, float], last: str) -> None:
    merged = f", merged within {told['merged']:.1g}" if "merged" in told else ""
    largest = told["largest_change"]
    learnt = told.get("learnt", largest)
    begun = f" ({learnt:.3g} of it learnt)" if abs(learnt - largest) > 0.01 * largest else ""
    counted = (
        f"the prior counted again changes what the model says by {told['recounted_change']:.3g} on average; "
        f"beyond that "
        if "recounted_change" in told
        else ""
    )
    Console().print(
        f"self-check: {counted}{what} changes what the model says by {told['mean_change']:.3g} on average, "
        f"{largest:.3g} at most{begun}; reopened within {told['reopened']:.1g}{merged}; {last}",
        soft_wrap=True,
    )
