"""Step rules: how one batch becomes the loss whose gradient is the update."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from jaxtyping import Float
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.optim.lr_scheduler import ReduceLROnPlateau

from disco.core.batch import Batch
from disco.core.outputs import Outputs

if TYPE_CHECKING:
    from disco.core.module import GenerativeModule

StepRule = Callable[["GenerativeModule", Batch], tuple[Float[Tensor, ""], dict[str, Tensor]]]


def plain_step(module: GenerativeModule, batch: Batch) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
    """One forward pass and its objective; Lightning takes the gradient.

    The pass tells the module's window how much it counts, so that accumulated batches and several
    processes weigh every token alike.
    """
    out = module(batch)
    module.window.note(out.count)
    return judged(module, out, batch)


def judged(
    module: GenerativeModule, out: Outputs, batch: Batch
) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
    """Return the objective and its parts in float32, in whatever precision the network ran."""
    with torch.autocast(module.device.type, enabled=False):
        return module.objective(_widened(out), batch)


def _widened(out: Outputs) -> Outputs:
    slots = {item.name: getattr(out, item.name) for item in fields(out)}
    narrow = (torch.bfloat16, torch.float16)
    wide = {n: v.float() for n, v in slots.items() if v is not None and v.dtype in narrow}
    return replace(out, **wide) if wide else out


class Window:
    """The batches between two steps of the optimiser, in all processes: each weighs what it counts.

    Losses are means, and batches count differently many tokens. Batch i of process r enters with
    weight c_ri / m, where m is the mean count of the processes' first batches (so that numbers stay
    near 1, which float16 needs). Lightning divides by N, DistributedDataParallel averages over W
    processes, and `close` says what is left to multiply: the gradient is then
    Σ c_ri g_ri / Σ c_ri, that of one batch that holds all of them.
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self.noted: float | None = None
        self.counted = 0.0
        self.batches = 0
        self.mean = 1.0

    def note(self, count: int) -> None:
        """Say what a forward pass counts; several passes of one batch add up."""
        self.noted = (self.noted or 0.0) + count

    def weight(self, device: torch.device) -> float:
        """Return the weight of the batch whose passes were noted; 1 if a step rule noted none."""
        if self.noted is None:
            return 1.0
        if self.batches == 0:
            self.mean = _mean_over_processes(self.noted, device) or 1.0
        self.batches += 1
        self.counted += self.noted
        weight, self.noted = self.noted / self.mean, None
        return weight

    def close(self, divided_by: int, device: torch.device) -> float:
        """Return what the accumulated gradients are to be multiplied with, and begin anew."""
        counted = self.mean if self.batches == 1 else _mean_over_processes(self.counted, device)
        factor = divided_by * self.mean / counted if self.batches and counted else 1.0
        self._begin()
        return factor


def means_over_processes(values: Mapping[str, Tensor], count: float) -> dict[str, Tensor]:
    """Return means over what all processes count; `values` are those of what this one counts."""
    if not _several():
        return dict(values)
    mine = torch.stack([value.detach().double().flatten()[0] * count for value in values.values()])
    row = torch.cat([mine, mine.new_tensor([count])])
    dist.all_reduce(row)
    return dict(zip(values, (row[:-1] / row[-1].clamp(min=1e-9)).float().unbind(), strict=True))


def _several() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def _mean_over_processes(count: float, device: torch.device) -> float:
    if not _several():
        return count
    total = torch.tensor(count, device=device, dtype=torch.float64 if device.type != "mps" else torch.float32)
    dist.all_reduce(total)
    return total.item() / dist.get_world_size()


def adversarial_step(module: GenerativeModule, batch: Batch) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
    """Critics first, on a pass whose graph is cut, then the model; steps both optimisers itself.

    Every batch is a step: it neither accumulates (`apps/train.py` refuses that) nor weighs by count, as
    every item of an adversarial loss counts as one. Losses and critics run in float32. Each optimiser is
    clipped, and skips gradients that are not finite, by itself.
    """
    optimizers = module.optimizers()
    schedules = module.lr_schedulers()
    assert isinstance(optimizers, list), "a model with critics has two optimisers"
    assert isinstance(schedules, list), "and two schedules"
    model_optimizer, critic_optimizer = optimizers
    out = _widened(module(batch))

    module.toggle_optimizer(critic_optimizer)
    with torch.autocast(module.device.type, enabled=False):
        critic_loss = torch.stack([critic.own_loss(out) for critic in module.objective.critics]).sum()
    _descend(module, critic_optimizer, critic_loss)
    module.untoggle_optimizer(critic_optimizer)

    module.toggle_optimizer(model_optimizer)
    total, parts = judged(module, out, batch)
    _descend(module, model_optimizer, total)
    module.untoggle_optimizer(model_optimizer)
    for schedule in schedules:
        assert not isinstance(schedule, ReduceLROnPlateau), "recipes build schedules over steps"
        schedule.step()
    return total.detach(), {**parts, "critic": critic_loss.detach()}


def _descend(module: GenerativeModule, optimizer: LightningOptimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    module.manual_backward(loss)
    optimizer.step()  # by way of `on_before_optimizer_step`, which clips
