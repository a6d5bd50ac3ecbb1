"""What every optimiser and schedule owes: it moves what may move, from a warm start down to its end."""

from __future__ import annotations

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
    cfg = composed("train", "model=symbolic", f"optim={optim}", f"optim/schedule={schedule}", "optim.lr=0.01")
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
    assert max(rates) == pytest.approx(0.01)
    assert rates[0] < 0.01, "it warms up"
    assert recipe.clip_norm > 0
