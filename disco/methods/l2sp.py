"""L2-SP: a penalty on the distance from the starting point."""

from __future__ import annotations

import lightning as L
import torch
from jaxtyping import Float
from torch import Tensor

from disco.core.batch import Batch
from disco.core.module import GenerativeModule
from disco.core.outputs import Outputs
from disco.core.ranges import NaturalFloat
from disco.core.term import Term


class L2SP(L.Callback):
    """Adds `weight · ½ Σ (θ − θ₀)²` over the weights that move (Li et al. 2018, arXiv 1802.01483)."""

    def __init__(self, *, weight: NaturalFloat) -> None:
        self.weight = weight

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Remember the starting point and add the term."""
        assert isinstance(pl_module, GenerativeModule)
        if stage == "fit":
            pl_module.objective.terms["l2sp"] = Distance(pl_module, weight=self.weight)


class Distance(Term):
    """Half the squared distance of the moving weights from where they were when this was built."""

    needs = frozenset[str]()

    def __init__(self, module: GenerativeModule, *, weight: float) -> None:
        super().__init__(weight=weight)
        moving = {name: p for name, p in module.named_parameters() if p.requires_grad}
        self.moving = list(moving.values())
        for index, parameter in enumerate(self.moving):
            self.register_buffer(f"start_{index}", parameter.detach().clone())

    def forward(self, out: Outputs, batch: Batch) -> Float[Tensor, ""]:
        """Return the distance; zero at the starting point."""
        starts = [self.get_buffer(f"start_{index}") for index in range(len(self.moving))]
        gaps = [(p - s).square().sum() for p, s in zip(self.moving, starts, strict=True)]
        return 0.5 * torch.stack(gaps).sum()
