"""Optimisers against their update rules, and what they keep in memory."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from disco.errors import DiscoError
from disco.optim.adamw import AdamW
from disco.optim.joined import Joined
from disco.optim.lion import Lion
from disco.optim.muon import Muon
from disco.optim.recipe import OptimRecipe
from disco.optim.schedules import Linear
from disco.optim.sgd import SGD
from tests.optim.recipes import OWN, recipe


class Net(nn.Module):
    """An embedding, two layers with norms, a head: everything that optimisers tell apart."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, 8)
        self.layers = nn.ModuleList(nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8)) for _ in range(2))
        self.head = nn.Linear(8, 5)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        hidden = self.embedding(tokens)
        for layer in self.layers:
            hidden = hidden + layer(hidden).tanh()
        return self.head(hidden)


def net() -> Net:
    torch.manual_seed(0)
    return Net()


def descend(model: Net, optimizer: torch.optim.Optimizer, steps: int) -> list[float]:
    tokens = torch.arange(5)
    losses = []
    for _ in range(steps):
        loss = nn.functional.cross_entropy(model(tokens), (tokens + 1) % 5)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("kind", OWN, ids=lambda kind: kind.__name__)
def test_descends(kind: type[OptimRecipe]) -> None:
    model = net()
    optimizer, _ = recipe(kind, lr=0.2 if kind is SGD else 0.01).build(model, 40)
    losses = descend(model, optimizer, 40)
    assert losses[-1] < 0.3 * losses[0]


@pytest.mark.parametrize("kind", OWN, ids=lambda kind: kind.__name__)
def test_goes_on_from_its_saved_state_as_if_never_stopped(kind: type[OptimRecipe]) -> None:
    model = net()
    made = recipe(kind, weight_decay=0.1, schedule=Linear(warmup=0.1, final=0.0))
    optimizer, schedule = made.build(model, 20)
    for _ in range(4):
        descend(model, optimizer, 1)
        schedule.step()
    again = copy.deepcopy(model)
    other, late = made.build(again, 20)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    late.load_state_dict(schedule.state_dict())
    assert str(other.state_dict()) == str(optimizer.state_dict())
    for _ in range(4):
        assert descend(model, optimizer, 1) == descend(again, other, 1)
        schedule.step()
        late.step()
        assert [g["lr"] for g in other.param_groups] == [g["lr"] for g in optimizer.param_groups]
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


def test_lion_moves_by_the_sign() -> None:
    layer = nn.Linear(3, 1, bias=False)
    before = layer.weight.detach().clone()
    optimizer, _ = recipe(Lion, lr=0.01).build(layer, 1)
    layer.weight.grad = torch.tensor([[2.0, -0.5, 7.0]])
    optimizer.step()
    assert torch.allclose(layer.weight, before - 0.01 * torch.tensor([[1.0, -1.0, 1.0]]))


def memory(optimizer: torch.optim.Optimizer) -> int:
    kept = [value for state in optimizer.state.values() for value in state.values()]
    return sum(value.numel() for value in kept if isinstance(value, torch.Tensor) and value.ndim > 0)


def test_lion_remembers_half_of_what_adamw_does_and_sgd_nothing_without_momentum() -> None:
    kept = {}
    for name, made in {
        "adamw": recipe(AdamW),
        "lion": recipe(Lion),
        "momentum": recipe(SGD),
        "plain": recipe(SGD, momentum=0.0, nesterov=False),
    }.items():
        model = net()
        optimizer, _ = made.build(model, 2)
        descend(model, optimizer, 2)
        kept[name] = memory(optimizer) / sum(p.numel() for p in model.parameters())
    assert kept == {"adamw": 2.0, "lion": 1.0, "momentum": 1.0, "plain": 0.0}


def test_nesterov_looks_ahead_along_the_buffer() -> None:
    layer = nn.Linear(1, 1, bias=False)
    before = layer.weight.item()
    optimizer, _ = recipe(SGD, lr=0.1, momentum=0.5).build(layer, 2)
    for _ in range(2):
        layer.weight.grad = torch.ones(1, 1)
        optimizer.step()
    # buffers 1 and 1.5; steps 1 + 0.5 * 1 and 1 + 0.5 * 1.5
    assert layer.weight.item() == pytest.approx(before - 0.1 * (1.5 + 1.75))


def test_nesterov_without_momentum_is_refused() -> None:
    with pytest.raises(DiscoError, match="Nesterov momentum requires a momentum"):
        recipe(SGD, momentum=0.0).build(nn.Linear(1, 1), 2)


def test_muon_takes_the_matrices_inside_layers_and_adamw_the_rest() -> None:
    model = net()
    optimizer, _ = recipe(Muon, weight_decay=0.1).build(model, 2)
    assert isinstance(optimizer, Joined)
    hidden, others = optimizer.parts
    assert isinstance(hidden, torch.optim.Muon)
    names = {id(p): name for name, p in model.named_parameters()}

    def held(part: torch.optim.Optimizer) -> set[str]:
        return {names[id(p)] for group in part.param_groups for p in group["params"]}

    assert held(hidden) == {"layers.0.0.weight", "layers.1.0.weight"}
    assert held(others) == set(names.values()) - held(hidden)


def test_muons_step_is_orthogonal_and_as_large_as_adamws() -> None:
    class Square(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(64, 64, bias=False)])

    torch.manual_seed(0)
    model = Square()
    weight = model.layers[0].weight
    before = weight.detach().clone()
    optimizer, _ = recipe(Muon, lr=0.01).build(model, 1)
    turned, _ = torch.linalg.qr(torch.randn(64, 64))
    weight.grad = turned @ torch.diag(torch.logspace(-1, 0, 64))  # ten times as steep one way as the other
    optimizer.step()
    lengths = torch.linalg.svdvals((before - weight.detach()) / (0.01 * 0.2 * 8))
    assert lengths.min() > 0.6
    assert lengths.max() < 1.3
    rms = (before - weight.detach()).square().mean().sqrt()
    assert 0.1 * 0.01 < rms < 0.3 * 0.01, "0.2 of the rate, as AdamW's steps are"


def test_a_schedule_reaches_both_halves_of_muon() -> None:
    model = net()
    optimizer, schedule = recipe(Muon, lr=0.01, schedule=Linear(warmup=0.0, final=0.0)).build(model, 4)
    assert isinstance(optimizer, Joined)
    descend(model, optimizer, 1)
    schedule.step()
    assert {group["lr"] for part in optimizer.parts for group in part.param_groups} == {0.0075}


def test_the_closure_is_asked_once() -> None:
    model = net()
    optimizer, _ = recipe(Muon).build(model, 2)
    asked = []

    def closure() -> float:
        asked.append(1)
        loss = model(torch.arange(5)).square().mean()
        loss.backward()
        return loss.item()

    before = [p.detach().clone() for p in model.parameters()]
    loss = optimizer.step(closure)
    assert len(asked) == 1
    assert loss > 0
    assert all(not torch.equal(p, old) for p, old in zip(model.parameters(), before, strict=True))
