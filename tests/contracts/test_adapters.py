"""What every adapter owes every model: the identity at first, a frozen base, a small checkpoint, a merge."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig

from disco.apps.launch import CONF
from disco.apps.parts import build_adapter
from disco.errors import DiscoError
from tests.contracts.models import FAMILIES, batch_for, build_tiny

ADAPTERS = sorted(path.stem for path in (CONF / "adapter").glob("*.yaml") if path.stem != "full")
PAIRS = [(adapter, family) for adapter in ADAPTERS for family in FAMILIES]


@pytest.fixture(params=PAIRS, ids="-".join)
def pair(request: pytest.FixtureRequest, composed, tmp_path: Path):
    adapter_name, family = request.param
    cfg: DictConfig = composed(
        "train", *FAMILIES[family], f"adapter={adapter_name}", "weights=run", f"weights.run={tmp_path}"
    )
    base = build_tiny(cfg).eval()
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():  # a base has learnt something: no layer of it is still zero
        for parameter in base.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
    return build_adapter(cfg), base


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


def test_starts_as_the_identity_moves_alone_and_merges_to_what_it_learnt(pair) -> None:
    adapter, base = pair
    if not base.sites:
        with pytest.raises(DiscoError, match="has no site"):
            adapter.attach(base)
        return
    batch = batch_for(base)
    before = {name: value.clone() for name, value in base.state_dict().items()}
    answer = first_output(base, batch)

    adapter.attach(base)
    assert torch.allclose(first_output(base, batch), answer, atol=1e-5), "it starts as the identity"

    nudge(base)
    recounted = {name for name in before if base.recounts and base.counted and name.startswith(base.counted)}
    if recounted:
        base.prepare_fit([batch] * 8)
    saved = base.network_state()
    assert saved
    assert set(saved) & set(before) <= recounted, "a checkpoint holds of the base what is counted again"
    after = {name.replace(".base_layer", ""): value for name, value in base.state_dict().items()}
    kept = set(before) - recounted
    assert all(torch.equal(before[name], after[name]) for name in kept), "the base is frozen"

    moved = first_output(base, batch)
    assert not torch.allclose(moved, answer, atol=1e-3), "what it learns is heard"

    adapter.merge(base)
    assert set(base.state_dict()) == set(before), "a merged model has the base's names"
    assert torch.allclose(first_output(base, batch), moved, atol=1e-4)
