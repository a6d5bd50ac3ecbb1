"""Which parameters decay and how fast each moves, on the real models."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from disco.core.module import GenerativeModule
from disco.errors import DiscoError
from disco.optim.adamw import AdamW
from disco.optim.groups import decays, parameter_groups
from tests.contracts.models import FAMILIES, build_tiny
from tests.optim.recipes import recipe


@pytest.fixture
def symbolic(composed) -> GenerativeModule:
    return build_tiny(composed("train", *FAMILIES["symbolic"]))


def decaying(module: nn.Module) -> set[str]:
    return {name for name, p in module.named_parameters() if decays(name, p)}


def factors(module: nn.Module, **settings) -> dict[str, float]:
    groups = parameter_groups(module, **{"layer_decay": 1.0, "site_rates": {}, **settings})
    return {name: group.factor for group in groups for name in group.named}


def test_the_decaying_set_of_a_language_model_by_name(symbolic: GenerativeModule) -> None:
    attention = [
        f"{kind}attention.{part}" for kind in ("", "cross_") for part in ("query", "key", "value", "out")
    ]
    layer = [*attention, "ffn_in", "ffn_out"]
    expected = {f"decoder.layers.{n}.{part}.weight" for n in range(2) for part in layer} | {"head.weight"}
    assert decaying(symbolic) == expected


@pytest.mark.parametrize("family", FAMILIES)
def test_norms_biases_gains_and_embeddings_never_decay(family: str, composed) -> None:
    module = build_tiny(composed("train", *FAMILIES[family]))
    still = {id(p) for p in module.parameters() if p.ndim < 2}  # biases and norms
    for part in module.modules():
        if isinstance(part, nn.Embedding | nn.LayerNorm | nn.GroupNorm):
            still |= {id(p) for p in part.parameters()}
        if isinstance(part, parametrize.ParametrizationList):
            still.add(id(part.original0))  # the lengths of weight-normalised kernels
    matrices = {name for name, p in module.named_parameters() if id(p) not in still}
    assert decaying(module) == matrices
    assert matrices
    optimizer, _ = recipe(AdamW, weight_decay=0.1).build(module, 1)
    pulled = [(p, group["weight_decay"]) for group in optimizer.param_groups for p in group["params"]]
    assert {id(p) for p, decay in pulled if decay == 0} == {
        id(p) for p in module.parameters() if p.requires_grad and id(p) in still
    }
    assert {decay for _, decay in pulled} == {0.0, 0.1}


def test_layers_slow_down_towards_the_input(symbolic: GenerativeModule) -> None:
    found = factors(symbolic, layer_decay=0.5)
    assert found["head.weight"] == found["decoder.layers.1.ffn_in.weight"] == 1.0
    assert found["decoder.layers.0.ffn_in.weight"] == found["decoder.layers.0.ffn_norm.weight"] == 0.5
    assert found["embedding.weight"] == 0.25
    assert found["decoder.out_norm.weight"] == 1.0


def test_sites_have_rates_of_their_own_and_those_of_several_multiply(symbolic: GenerativeModule) -> None:
    found = factors(symbolic, site_rates={"head": 0.1, "attention": 0.5, "query": 3.0})
    assert found["head.weight"] == 0.1
    assert found["decoder.layers.0.attention.key.weight"] == 0.5
    assert found["decoder.layers.0.attention.query.weight"] == 1.5
    assert (
        found["decoder.layers.0.ffn_in.weight"] == found["decoder.layers.0.cross_attention.query.weight"] == 1
    )


def test_weights_move_as_far_as_their_rates_say(symbolic: GenerativeModule) -> None:
    before = {name: p.detach().clone() for name, p in symbolic.named_parameters()}
    made = recipe(AdamW, lr=0.01, layer_decay=0.5, site_rates={"head": 0.1})
    optimizer, _ = made.build(symbolic, 1)
    rates = [group["lr"] for group in optimizer.param_groups]
    assert rates == sorted(rates, reverse=True), "what is logged as the rate is the peak"
    for parameter in symbolic.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    moved = {name: (p - before[name]).abs().max().item() for name, p in symbolic.named_parameters()}
    assert moved["decoder.layers.1.ffn_in.weight"] == pytest.approx(0.01, rel=1e-3)
    assert moved["decoder.layers.0.ffn_in.weight"] == pytest.approx(0.005, rel=1e-3)
    assert moved["head.weight"] == pytest.approx(0.001, rel=1e-3)


def test_an_unknown_site_is_refused_with_the_known_and_the_nearest(symbolic: GenerativeModule) -> None:
    with pytest.raises(
        DiscoError, match=r"no site 'haed'; its sites are .*cross_key.*; did you mean 'head'\?"
    ):
        recipe(AdamW, site_rates={"haed": 0.1}).build(symbolic, 1)


def test_a_site_at_which_nothing_moves_is_refused(symbolic: GenerativeModule) -> None:
    symbolic.head.requires_grad_(requires_grad=False)
    with pytest.raises(DiscoError, match="nothing moves at 'head'"):
        recipe(AdamW, site_rates={"head": 0.1}).build(symbolic, 1)


def test_nothing_to_move_is_refused(symbolic: GenerativeModule) -> None:
    symbolic.requires_grad_(requires_grad=False)
    with pytest.raises(DiscoError, match="no parameter is trainable"):
        recipe(AdamW).build(symbolic, 1)


def test_a_rate_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match=r"site_rates\.query=-0\.1 is below 0"):
        recipe(AdamW, site_rates={"head": 1.0, "query": -0.1})


def test_critics_keep_the_peak_rate_and_the_codec_its_site_rates(composed) -> None:
    cfg = composed(
        "train", *FAMILIES["autoencoder_seanet"], "optim.layer_decay=0.5", "optim.site_rates={encoder: 0.1}"
    )
    module = build_tiny(cfg)
    module.trainer = type("Trainer", (), {"estimated_stepping_batches": 8})()
    codec, critics = (pair["optimizer"] for pair in module.configure_optimizers())
    assert len({group["initial_lr"] for group in critics.param_groups}) == 1
    assert critics.param_groups[0]["initial_lr"] == cfg.optim.lr
    names = {id(p): name for name, p in module.named_parameters()}
    top = {
        names[id(p)].partition(".")[0]: group["initial_lr"]
        for group in reversed(codec.param_groups)
        for p in group["params"]
    }
    assert top["encoder"] == pytest.approx(0.1 * top["decoder"])
