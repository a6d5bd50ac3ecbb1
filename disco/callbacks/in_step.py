"""Proof that the processes of a run hold the same weights."""

from __future__ import annotations

import lightning as L
import torch
import torch.distributed as dist

from disco.core.sharding import is_sharded
from disco.errors import DiscoError


class InStep(L.Callback):
    """Compares the weights of all processes when training ends, and stops where they differ."""

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Compare.

        Raises:
            DiscoError: two processes hold different weights.
        """
        if is_sharded(pl_module) or not (dist.is_available() and dist.is_initialized()):
            return  # of sharded weights there is one copy
        mine = torch.stack([p.detach().double().sum() for p in pl_module.parameters()])
        everyones = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
        dist.all_gather(everyones, mine)
        apart = [rank for rank, other in enumerate(everyones) if not torch.equal(other, everyones[0])]
        if apart:
            raise DiscoError(
                f"processes {apart} hold other weights than process 0", do="look for per-process randomness"
            )
