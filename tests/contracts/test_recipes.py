"""What every optimiser and schedule owes: it moves what may move, from a warm start down to its end."""

from __future__ import annotations

import copy
from collections import OrderedDict

import pytest
import torch
from torch import nn

from disco.apps.compose import build
from disco.apps.launch import CONF

OPTIMS = sorted(path.stem for path in (CONF / "optim").glob("*.yaml"))
SCHEDULES = sorted(path.stem for path in (CONF / "optim" / "schedule").glob("*.yaml"))


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("optim", OPTIMS)
def test_descends_and_leaves_alone_what_is_frozen(optim: str, schedule: str, composed) -> None:
    cfg = composed("train", "model=symbolic", f"optim={optim}", f"optim/schedule={schedule}", "optim.lr=0.03")
    recipe = build(cfg.optim, "optim")
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    net[0].requires_grad_(False)
    frozen = net[0].weight.clone()
    x = torch.randn(32, 4)
    wanted = x.sum(1, keepdim=True)
    optimizer, steps = recipe.build(net, 50)
    losses, rates = [], []
    for _ in range(50):
        loss = (net(x) - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        steps.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    assert torch.equal(net[0].weight, frozen)
    assert max(rates) == pytest.approx(0.03)
    assert rates[0] < 0.03, "it warms up"
    assert recipe.clip_norm > 0


@pytest.mark.parametrize("optim", OPTIMS)
def test_goes_on_from_its_saved_state_as_if_never_stopped(optim: str, composed) -> None:
    recipe = build(composed("train", "model=symbolic", f"optim={optim}").optim, "optim")

    def go_on(net: nn.Module, optimizer: torch.optim.Optimizer, steps) -> None:
        for seed in range(3):
            x = torch.randn(8, 4, generator=torch.Generator().manual_seed(seed))
            optimizer.zero_grad()
            net(x).square().mean().backward()
            optimizer.step()
            steps.step()

    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))
    net = nn.Sequential(OrderedDict(layers=layers, head=nn.Linear(4, 1)))
    pair = recipe.build(net, 20)
    go_on(net, *pair)
    twin = copy.deepcopy(net)
    other = recipe.build(twin, 20)
    for mine, theirs in zip(other, pair, strict=True):
        mine.load_state_dict(copy.deepcopy(theirs.state_dict()))
    go_on(net, *pair)
    go_on(twin, *other)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), twin.parameters(), strict=True))
