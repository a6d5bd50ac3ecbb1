"""LoRA's arithmetic, also where projections share a weight, its files and its refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model, set_peft_model_state_dict
from safetensors.torch import load_file
from torch import nn

from disco.adapters.lora import LoRA
from disco.adapters.peft_layers import peft_names
from disco.core.module import GenerativeModule
from disco.core.sites import Rows
from disco.core.tensors import save_tensors
from disco.errors import DiscoError
from tests.contracts.models import FAMILIES, build_tiny

WIDTH = 16


@pytest.fixture
def symbolic(composed):
    return build_tiny(composed("train", *FAMILIES["symbolic"]))


def lora(sites: list[str], **changes) -> LoRA:
    settings = {
        "layers": None, "rank": 2, "ranks": {}, "alpha": 8.0, "alphas": {}, "dropout": 0.0,
        "rank_stabilised": False, "dora": False, "recount": False, "seed": 0,
    }  # fmt: skip
    return LoRA(sites=sites, **{**settings, **changes})


class Fused(GenerativeModule):
    """Attention whose projections share one weight."""

    accepts = ()
    offers = frozenset()

    sites: ClassVar = {
        "query": Rows(r"attention\.in_proj_weight", 0, 3),
        "value": Rows(r"attention\.in_proj_weight", 2, 3),
        "out": r"attention\.out_proj",
        "fused_value": Rows(r"qkv\.weight", 2, 3),
    }

    def __init__(self) -> None:
        super().__init__(terms={}, recipe=None)
        torch.manual_seed(0)
        self.attention = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)

    view = generate = None  # neither data nor music here

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.attention(x, x, x, need_weights=False)[0], self.qkv(x)


def stirred(module: nn.Module) -> None:
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.requires_grad:
                parameter += 0.3 * torch.randn(parameter.shape, generator=generator)


def test_update_is_alpha_over_rank_times_b_a(symbolic) -> None:
    lora(["query"]).attach(symbolic)
    layer = symbolic.get_submodule("decoder.layers.0.attention.query")
    stirred(symbolic)
    x = torch.randn(3, layer.in_features)
    low, high = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    assert torch.allclose(layer(x), layer.base_layer(x) + 8.0 / 2 * x @ low.T @ high.T, atol=1e-6)


def test_rank_stabilised_divides_by_the_root_and_sites_have_their_own_ranks(symbolic) -> None:
    lora(["query", "value"], ranks={"value": 4}, alphas={"value": 2.0}, rank_stabilised=True).attach(symbolic)
    query, value = (symbolic.get_submodule(f"decoder.layers.1.attention.{n}") for n in ("query", "value"))
    assert query.lora_A["default"].weight.shape[0] == 2
    assert value.lora_A["default"].weight.shape[0] == 4
    assert query.scaling["default"] == pytest.approx(8.0 / 2**0.5)
    assert value.scaling["default"] == pytest.approx(2.0 / 4**0.5)


def test_layers_can_be_chosen_by_number_and_range(symbolic) -> None:
    lora(["query"], layers=["1-3"]).attach(symbolic)
    moving = [name for name, p in symbolic.named_parameters() if p.requires_grad]
    assert moving
    assert all("layers.1.attention.query" in name for name in moving)


@torch.no_grad()
def test_on_shared_weights_each_projection_is_updated_alone() -> None:
    """A plain product with the updated rows says what the fused layer must say."""
    plain, model = Fused(), Fused()
    lora(["query", "value", "out", "fused_value"]).attach(model)
    x = torch.randn(2, 5, WIDTH)
    for one, other in zip(plain(x), model(x), strict=True):
        assert torch.allclose(one, other, atol=1e-6)

    stirred(model)
    updates = [(name, part) for name, part in model.named_modules() if hasattr(part, "lora_A")]
    assert len(updates) == 4
    for name, update in updates:
        owner, weight = name.rpartition(".")[0].split(".parametrizations.")
        delta = 8.0 / 2 * update.lora_B @ update.lora_A
        getattr(plain.get_submodule(owner), weight)[update.rows] += delta
    for one, other in zip(plain(x), model(x), strict=True):
        assert torch.allclose(one, other, atol=1e-5)

    adapter = lora(["query", "value", "out", "fused_value"])
    said = model(x)
    adapter.merge(model)
    assert set(model.state_dict()) == set(Fused().state_dict())
    for one, other in zip(model(x), said, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_what_is_saved_opens_in_peft(symbolic, composed, tmp_path: Path) -> None:
    """peft itself, given the base and the two files, says the same."""
    adapter = lora(["query", "head"], ranks={"head": 3})
    adapter.attach(symbolic)
    stirred(symbolic)
    tensors = symbolic.network_state()
    names = peft_names(tensors)
    save_tensors(tmp_path / "adapter_model.safetensors", {names[n]: t for n, t in tensors.items()})
    (tmp_path / "adapter_config.json").write_text(json.dumps(adapter.description()))

    other = build_tiny(composed("train", *FAMILIES["symbolic"]))
    inject_adapter_in_model(LoraConfig.from_pretrained(str(tmp_path)), other)
    other.adapted = True  # its own check of what it loads then asks for the adapter alone
    kept = load_file(tmp_path / "adapter_model.safetensors")
    stripped = {name.removeprefix("base_model.model."): tensor for name, tensor in kept.items()}
    told = set_peft_model_state_dict(other, stripped)
    assert not told.unexpected_keys
    x = torch.randn(4, WIDTH * 2)
    for name in ("head", "decoder.layers.0.attention.query"):
        assert torch.equal(other.get_submodule(name)(x), symbolic.get_submodule(name)(x))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"sites": ["querry"]}, r"no site 'querry'.*query"),
        ({"sites": ["query"], "rank": 32}, r"adapter\.rank=32 is no less than the 32 of decoder"),
        ({"sites": ["query"], "layers": ["7"]}, r"'query' matches no layer"),
        ({"sites": ["query"], "layers": ["first"]}, r"'first' is neither a number nor a range"),
        ({"sites": ["query"], "ranks": {"value": 4}}, r"'value' is not among adapter\.sites"),
        ({"sites": []}, r"nothing to adapt"),
    ],
)
def test_what_cannot_be_is_refused(symbolic, changes, told) -> None:
    with pytest.raises(DiscoError, match=told):
        lora(**changes).attach(symbolic)


def test_same_seed_starts_the_same_and_leaves_the_global_seed_alone(symbolic) -> None:
    state = torch.random.get_rng_state()
    lora(["value"]).attach(symbolic)
    assert torch.equal(state, torch.random.get_rng_state())
