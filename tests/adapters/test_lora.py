"""LoRA's arithmetic and its refusals."""

from __future__ import annotations

import pytest
import torch

from disco.adapters.lora import LoRA
from disco.errors import DiscoError
from tests.contracts.models import FAMILIES, build_tiny


@pytest.fixture
def symbolic(composed):
    return build_tiny(composed("train", *FAMILIES["symbolic"]))


def lora(sites: list[str]) -> LoRA:
    return LoRA(sites=sites, rank=2, alpha=8.0, dropout=0.0, recount=False, seed=0)


def test_update_is_alpha_over_rank_times_b_a(symbolic) -> None:
    lora(["query"]).attach(symbolic)
    layer = symbolic.get_submodule("decoder.layers.0.attention.query")
    with torch.no_grad():
        layer.lora_B["default"].weight.normal_()
    x = torch.randn(3, layer.in_features)
    low, high = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    assert torch.allclose(layer(x), layer.base_layer(x) + 8.0 / 2 * x @ low.T @ high.T, atol=1e-5)


def test_unknown_site_names_the_known_ones(symbolic) -> None:
    with pytest.raises(DiscoError, match=r"no site 'querry'.*query"):
        lora(["querry"]).attach(symbolic)


def test_same_seed_starts_the_same_and_leaves_the_global_seed_alone(symbolic) -> None:
    state = torch.random.get_rng_state()
    lora(["value"]).attach(symbolic)
    assert torch.equal(state, torch.random.get_rng_state())
