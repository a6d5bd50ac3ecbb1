"""Step rules: how one batch becomes the loss whose gradient is the update."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from jaxtyping import Float
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.optim.lr_scheduler import ReduceLROnPlateau

from disco.core.batch import Batch

if TYPE_CHECKING:
    from disco.core.module import GenerativeModule

StepRule = Callable[["GenerativeModule", Batch], tuple[Float[Tensor, ""], dict[str, Tensor]]]


def plain_step(module: GenerativeModule, batch: Batch) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
    """One forward pass and its objective; Lightning takes the gradient."""
    out = module(batch)
    total, parts = module.objective(out, batch)
    return total * _share(out.count, total.device), parts


def _share(count: int, device: torch.device) -> float:
    """Return this process's count over the mean count of all processes.

    Averaging gradients over processes then weighs every token alike, as one process would.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return 1.0
    total = torch.tensor(float(count), device=device)
    dist.all_reduce(total)
    return count * dist.get_world_size() / total.item()


def adversarial_step(module: GenerativeModule, batch: Batch) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
    """Critics first, on a pass whose graph is cut, then the model; steps both optimisers itself."""
    optimizers = module.optimizers()
    schedules = module.lr_schedulers()
    assert isinstance(optimizers, list), "a model with critics has two optimisers"
    assert isinstance(schedules, list), "and two schedules"
    model_optimizer, critic_optimizer = optimizers
    out = module(batch)

    module.toggle_optimizer(critic_optimizer)
    critic_loss = torch.stack([critic.own_loss(out) for critic in module.objective.critics]).sum()
    _descend(module, critic_optimizer, critic_loss)
    module.untoggle_optimizer(critic_optimizer)

    module.toggle_optimizer(model_optimizer)
    total, parts = module.objective(out, batch)
    _descend(module, model_optimizer, total)
    module.untoggle_optimizer(model_optimizer)
    for schedule in schedules:
        assert not isinstance(schedule, ReduceLROnPlateau), "recipes build schedules over steps"
        schedule.step()
    return total.detach(), {**parts, "critic": critic_loss.detach()}


def _descend(module: GenerativeModule, optimizer: LightningOptimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    module.manual_backward(loss)
    module.clip(optimizer)
    optimizer.step()
