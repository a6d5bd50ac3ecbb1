"""Learning rates at points where their closed form is known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from disco.optim.adamw import AdamW
from disco.optim.groups import decay_groups
from disco.optim.lion import Lion
from disco.optim.schedules import Constant, Cosine, Linear
from disco.optim.sgd import SGD


def test_cosine_rises_linearly_and_falls_as_half_a_cosine() -> None:
    schedule = Cosine(warmup=0.1, final=0.2)
    assert schedule.factor(0, 100) == pytest.approx(0.1)
    assert schedule.factor(9, 100) == pytest.approx(1.0)
    assert schedule.factor(55, 100) == pytest.approx(0.2 + 0.8 * 0.5 * (1 + math.cos(math.pi * 0.5)))
    assert schedule.factor(100, 100) == pytest.approx(0.2)


def test_linear_is_half_way_in_the_middle() -> None:
    assert Linear(warmup=0.0, final=0.0).factor(51, 101) == pytest.approx(0.5)


def test_constant_stays_at_the_peak() -> None:
    assert Constant(warmup=0.1).factor(99, 100) == 1.0


def test_norms_biases_and_embeddings_do_not_decay() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(4, 3)
            self.norm = nn.LayerNorm(3)
            self.out = nn.Linear(3, 2)

    net = Net()
    decaying, plain = decay_groups(net, 0.1)
    assert decaying["params"] == [net.out.weight]
    assert {id(p) for p in plain["params"]} == {
        id(net.embedding.weight),
        *map(id, net.norm.parameters()),
        id(net.out.bias),
    }


@pytest.mark.parametrize(
    "recipe",
    [
        AdamW(
            lr=0.05,
            betas=[0.9, 0.95],
            eps=1e-8,
            fused=True,
            weight_decay=0.0,
            clip_norm=1.0,
            schedule=Constant(warmup=0.0),
        ),
        SGD(lr=0.1, momentum=0.5, weight_decay=0.0, clip_norm=1.0, schedule=Constant(warmup=0.0)),
        Lion(lr=0.01, betas=[0.9, 0.99], weight_decay=0.0, clip_norm=1.0, schedule=Constant(warmup=0.0)),
    ],
    ids=lambda recipe: type(recipe).__name__,
)
def test_optimiser_descends_a_quadratic(recipe) -> None:
    layer = nn.Linear(4, 1, bias=False)
    nn.init.constant_(layer.weight, 1.0)
    optimizer, schedule = recipe.build(layer, 200)
    for _ in range(200):
        optimizer.zero_grad()
        layer.weight.square().sum().backward()
        optimizer.step()
        schedule.step()
    assert layer.weight.abs().max() < 0.1


def test_lion_moves_by_the_sign() -> None:
    layer = nn.Linear(3, 1, bias=False)
    before = layer.weight.detach().clone()
    recipe = Lion(lr=0.01, betas=[0.9, 0.99], weight_decay=0.0, clip_norm=0.0, schedule=Constant(warmup=0.0))
    optimizer, _ = recipe.build(layer, 1)
    layer.weight.grad = torch.tensor([[2.0, -0.5, 7.0]])
    optimizer.step()
    assert torch.allclose(layer.weight, before - 0.01 * torch.tensor([[1.0, -1.0, 1.0]]))
