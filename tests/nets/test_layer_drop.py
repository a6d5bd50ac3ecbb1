"""Layers left out of training passes: how often, when, and that nothing else is changed by it."""

import math

import pytest
import torch

from disco.nets import transformer
from disco.nets.layer_drop import left_out
from disco.nets.transformer import Decoder, Rotary
from tests.contracts.models import FAMILIES, build_tiny

DEPTH = 4


def decoder(**changes) -> Decoder:
    torch.manual_seed(0)
    plain = {"width": 16, "depth": DEPTH, "heads": 2, "dropout": 0.0, "bias": False, "cross": False}
    return Decoder(**plain, positions=Rotary(max_period=10000.0), **changes)


def heard_layers(net: Decoder) -> list[int]:
    """Note each layer that a pass runs through."""
    heard: list[int] = []
    for index, layer in enumerate(net.layers):
        layer.register_forward_hook(lambda *_, index=index: heard.append(index))
    return heard


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_each_layer_is_kept_as_often_as_its_chance_says(share) -> None:
    net, passes = decoder(layer_drop=share).train(), 150
    heard, x = heard_layers(net), torch.randn(1, 2, 16)
    with torch.no_grad():
        for _ in range(passes):
            net(x)
    deviation = math.sqrt(passes * share * (1 - share))
    for layer in range(DEPTH):
        assert (
            abs(heard.count(layer) - passes * (1 - share)) < 4 * deviation
        )  # one in 16,000 layers is beyond


def test_layers_are_left_out_one_by_one_and_not_all_together() -> None:
    torch.manual_seed(0)
    counts = [len(left_out(10, 0.5)) for _ in range(400)]
    assert torch.tensor(counts, dtype=torch.float).var().item() == pytest.approx(2.5, rel=0.3)  # binomial


def test_what_the_others_make_is_not_scaled() -> None:
    """Fan et al. 2020, section 3: layers are dropped as they are, and all are used as they are afterwards."""
    net, x = decoder(layer_drop=0.5), torch.randn(2, 3, 16)
    net.eval()
    outcomes = {}
    for kept in range(2**DEPTH):  # by hand: the stack with any of its layers taken out
        some = decoder()
        some.layers = torch.nn.ModuleList(layer for i, layer in enumerate(net.layers) if kept >> i & 1)
        outcomes[kept] = some.eval()(x)
    assert torch.equal(net(x), outcomes[2**DEPTH - 1]), "afterwards, all of them"
    net.train()
    heard, seen = heard_layers(net), set()
    for _ in range(40):
        heard.clear()
        out = net(x)
        seen.add(kept := sum(1 << index for index in heard))
        assert torch.allclose(out, outcomes[kept], atol=1e-6)
    assert len(seen) > 8


def test_nothing_is_left_out_in_evaluation() -> None:
    net, x = decoder(layer_drop=0.9).eval(), torch.randn(1, 3, 16)
    assert torch.equal(net(x), decoder().eval()(x))


def test_without_it_no_random_number_is_drawn() -> None:
    for net, moves in ((decoder(), False), (decoder(layer_drop=0.0), False), (decoder(layer_drop=0.3), True)):
        before = torch.get_rng_state()
        net.train()(torch.randn(1, 3, 16, generator=torch.Generator().manual_seed(1)))
        assert torch.equal(torch.get_rng_state(), before) != moves


def test_the_weights_have_the_same_names_and_sizes() -> None:
    plain, dropped = decoder().state_dict(), decoder(layer_drop=0.5).state_dict()
    assert {n: v.shape for n, v in plain.items()} == {n: v.shape for n, v in dropped.items()}
    decoder(layer_drop=0.5).load_state_dict(plain, strict=True)


@pytest.mark.parametrize("again", [0.0, 1.0])
def test_where_others_wait_each_layer_gets_gradients_and_one_left_out_zeros(again, monkeypatch) -> None:
    monkeypatch.setattr(transformer, "left_out", lambda depth, share: frozenset({1, 3}))
    x = torch.randn(1, 3, 16, generator=torch.Generator().manual_seed(1))
    gradients, outs = [], []
    for several in (False, True):
        monkeypatch.setattr(transformer, "must_run", lambda several=several: several)
        net = decoder(layer_drop=0.5, checkpoint_layers=again).train()
        out = net(x)
        (out * torch.arange(16)).sum().backward()
        outs.append(out)
        gradients.append({name: p.grad for name, p in net.named_parameters()})
    assert torch.equal(*outs)
    alone, together = gradients
    gone = [name for name, gradient in alone.items() if gradient is None]
    assert {name.split(".")[1] for name in gone} == {"1", "3"}
    assert not any(gradient is None for gradient in together.values()), "others would wait for it in vain"
    assert all(not together[name].any() for name in gone)
    assert all(torch.allclose(alone[name], together[name]) for name in alone if name not in gone)


@pytest.mark.parametrize("family", ["musicgen", "symbolic"])
def test_the_key_reaches_the_network_of_each_family(family, composed) -> None:
    assert build_tiny(composed("train", *FAMILIES[family])).decoder.layer_drop == 0.0
    module = build_tiny(composed("train", *FAMILIES[family], "model.layer_drop=0.2"))
    assert module.decoder.layer_drop == 0.2
