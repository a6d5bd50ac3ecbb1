"""Optimisers inside a real fit: several halves under one trainer, rates of single layers under an adapter."""

from __future__ import annotations

from pathlib import Path

import pytest

from disco.adapters.lora import LoRA
from disco.apps import train
from disco.apps.compose import build
from disco.apps.runs import Run
from disco.core.checkpoint_io import read_checkpoint
from disco.optim.groups import parameter_groups
from tests.contracts.models import FAMILIES, build_tiny
from tests.tiny_runs import TINY_SYMBOLIC


@pytest.mark.slow
def test_muon_goes_on_in_a_resumed_run_with_the_memory_of_both_halves(composed, corner: list[str]) -> None:
    words = [*TINY_SYMBOLIC, *corner, "optim=muon", "optim.layer_decay=0.5", "resume=auto"]
    seen = []
    for steps in (2, 4):
        cfg = composed("train", *words, f"trainer.max_steps={steps}")
        loss = train.main(cfg)
        assert loss is not None
        run = Run(Path(cfg.run_dir))
        (state,) = read_checkpoint(run.checkpoint)["optimizer_states"]
        seen.append(state)
    first, then = (state["state"] for state in seen)
    assert set(first) == set(then)
    kinds = {frozenset(kept) for kept in then.values()}
    assert kinds == {frozenset({"momentum_buffer"}), frozenset({"step", "exp_avg", "exp_avg_sq"})}
    assert {int(kept["step"]) for kept in then.values() if "step" in kept} == {4}
    rates = {group["initial_lr"] for group in seen[-1]["param_groups"]}
    assert sorted(rates, reverse=True) == pytest.approx([0.0015, 0.00075, 0.000375])


def test_rates_reach_what_an_adapter_added(composed) -> None:
    cfg = composed("train", *FAMILIES["symbolic"], "adapter=lora", "weights=none", "adapter.rank=2")
    module = build_tiny(cfg)
    adapter = build(cfg.adapter, "adapter")
    assert isinstance(adapter, LoRA)
    adapter.attach(module)
    groups = parameter_groups(module, layer_decay=0.5, site_rates={"value": 0.1})
    found = {name: group.factor for group in groups for name in group.named}
    assert all("lora_" in name for name in found)
    for name, factor in found.items():
        depth = 1.0 if ".layers.1." in name else 0.5
        assert factor == pytest.approx(depth * (0.1 if ".value." in name else 1.0)), name
    assert all(group.decays for group in groups), "low-rank matrices are matrices"
