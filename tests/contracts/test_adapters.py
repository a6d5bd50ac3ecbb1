"""What every adapter owes every model: the identity at first, a frozen base, a small checkpoint, a merge."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig

from disco.apps.launch import CONF
from disco.apps.parts import build_adapter
from disco.core.module import GenerativeModule
from disco.errors import DiscoError
from tests.contracts.models import FAMILIES, batch_for, build_tiny

ADAPTERS = sorted(path.stem for path in (CONF / "adapter").glob("*.yaml") if path.stem != "full")
PROMPTS = ("prompt", "prompt_weights")  # which are heard from the first step on
# Families whose parts an adapter has nothing to say to: a codec has neither text nor attention, and the
# convolutions of this body are no linear layers and have a length per row already.
HOMELESS = {
    "autoencoder": {"prefix": "no attention for a prefix", **dict.fromkeys(PROMPTS, "no text to prompt")},
    "autoencoder_seanet": {
        "dora": "a weight that is shared or computed takes neither DoRA",
        "ia3": "no linear layer for a factor",
        "bottleneck": "no linear layer for a bottleneck",
        "prefix": "no attention for a prefix",
        **dict.fromkeys(PROMPTS, "no text to prompt"),
    },
}
PAIRS = [(adapter, family) for adapter in ADAPTERS for family in FAMILIES]


@pytest.fixture(params=PAIRS, ids="-".join)
def pair(request: pytest.FixtureRequest, composed, tmp_path: Path):
    adapter_name, family = request.param
    more = ["conditioner=[text,tags]"] if adapter_name in PROMPTS and family == "symbolic" else []
    if family == "autoencoder_seanet" and adapter_name in ("lora", "dora"):
        more = ["adapter.rank=1"]  # its narrowest convolution makes 2 channels of 4
    cfg: DictConfig = composed(
        "train",
        *FAMILIES[family],
        f"adapter={adapter_name}",
        "weights=run",
        f"weights.run={tmp_path}",
        *more,
    )
    return adapter_name, family, cfg


def learnt_base(cfg: DictConfig) -> GenerativeModule:
    """A base has learnt something: no layer of it is still zero."""
    base = build_tiny(cfg).eval()
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in base.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
    return base


def first_output(module, batch) -> torch.Tensor:
    out = module.eval()(batch)
    return next(value for value in (out.logits, out.wave, out.magnitude) if value is not None).detach()


def nudge(module) -> None:
    """Move what may move, as training would."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.requires_grad and not name.startswith("objective."):
                parameter += 0.1 * torch.randn(parameter.shape, generator=generator)


def test_starts_as_the_base_moves_alone_and_opens_and_merges_to_what_it_learnt(pair) -> None:
    adapter_name, family, cfg = pair
    adapter, base = build_adapter(cfg), learnt_base(cfg)
    if lacks := HOMELESS.get(family, {}).get(adapter_name):
        with pytest.raises(DiscoError, match=lacks):
            adapter.attach(base)
        return
    batch = batch_for(base)
    before = {name: value.clone() for name, value in base.state_dict().items()}
    answer = first_output(base, batch)

    adapter.attach(base)
    if adapter_name in PROMPTS:
        adapter.strengthen(0.0)
    assert torch.allclose(first_output(base, batch), answer, atol=1e-5), "it starts as the base"

    nudge(base)
    if not adapter.mergeable:
        adapter.strengthen(0.0)
        assert torch.allclose(first_output(base, batch), answer, atol=1e-5), "without strength it is the base"
        adapter.strengthen(1.0)
    recounted = {name for name in before if base.recounts and base.counted and name.startswith(base.counted)}
    if recounted:
        base.prepare_fit([batch] * 8)
    saved = base.network_state()
    assert saved
    if adapter_name != "selective":
        assert set(saved) & set(before) <= recounted, "a checkpoint holds of the base what is counted again"
    state = base.state_dict()
    after = {name if name in before else unwrapped(name): value for name, value in state.items()}
    kept = set(before) - recounted - set(saved)
    assert all(torch.equal(before[name], after[name]) for name in kept), "the base is frozen"

    moved = first_output(base, batch)
    assert not torch.allclose(moved, answer, atol=1e-3), "what it learns is heard"

    again, opened = build_adapter(cfg), build_tiny(cfg)
    opened.load_state_dict(before)
    again.attach(opened)
    opened.load_network(saved)
    assert torch.equal(first_output(opened, batch), moved), "what was saved is what was learnt"

    if not adapter.mergeable:
        with pytest.raises(DiscoError, match="no weight of the base can hold"):
            adapter.merge(base)
        return
    adapter.merge(base)
    assert set(base.state_dict()) == set(before), "a merged model has the base's names"
    assert torch.allclose(first_output(base, batch), moved, atol=1e-5 * max(1.0, float(moved.abs().max())))


def unwrapped(name: str) -> str:
    """The name that a tensor of the base had before layers were wrapped."""
    return name.replace(".base_layer", "").replace("parametrizations.", "").replace(".original", "")


def trained_steps(module: GenerativeModule, batch, steps: int) -> None:
    """Training as the loop does it: forward, backward, optimiser."""
    module.train()
    optimizer = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], lr=0.05)
    for _ in range(steps):
        module.objective(module(batch), batch)[0].backward()
        optimizer.step()
        optimizer.zero_grad()
    module.eval()


def test_two_steps_of_training_move_nothing_that_is_not_saved(pair) -> None:
    adapter_name, family, cfg = pair
    if adapter_name in HOMELESS.get(family, {}):
        return
    adapter, base = build_adapter(cfg), learnt_base(cfg)
    before = {name: value.clone() for name, value in base.state_dict().items()}
    batch = batch_for(base)
    adapter.attach(base)
    attached = {name: value.clone() for name, value in base.state_dict().items()}
    trained_steps(base, batch, steps=2)
    saved = base.network_state()
    moved = {name for name, value in base.state_dict().items() if not torch.equal(value, attached[name])}
    moved = {name for name in moved if not name.startswith("objective.")}
    assert moved
    assert moved <= set(saved), "what moved is saved"
    again, opened = build_adapter(cfg), build_tiny(cfg)
    opened.load_state_dict(before)
    again.attach(opened)
    opened.load_network(saved)
    assert torch.equal(first_output(opened, batch), first_output(base, batch)), "what was saved was learnt"


def test_statistics_of_a_selected_part_go_on_and_are_saved(composed, tmp_path: Path) -> None:
    run = ("weights=run", f"weights.run={tmp_path}", "adapter=selective", "adapter.also=[quantizer.*]")
    cfg = composed("train", *FAMILIES["autoencoder"], *run)
    adapter, base = build_adapter(cfg), learnt_base(cfg)
    adapter.attach(base)
    entries = base.quantizer.codebooks[0].entries.clone()
    trained_steps(base, batch_for(base), steps=4)
    assert not torch.equal(base.quantizer.codebooks[0].entries, entries)
    assert "quantizer.codebooks.0.entries" in base.network_state()
