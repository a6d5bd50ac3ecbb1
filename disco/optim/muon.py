"""Muon for the matrices inside layers, AdamW for all else."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from disco.core.ranges import NaturalFloat, PositiveFloat, PositiveInt, Share
from disco.optim.groups import Group, in_a_layer
from disco.optim.joined import Joined
from disco.optim.recipe import OptimRecipe
from disco.optim.schedules import Schedule


class Muon(OptimRecipe):
    """Moves hidden matrices along their orthogonalised momentum (Jordan et al. 2024).

    Updates are scaled to AdamW's size (Liu et al. 2025, arXiv 2502.16982), so that one rate and one
    decay serve both halves.

    Args:
        momentum: memory of Muon's buffer.
        iterations: of the Newton-Schulz series.
        betas, eps, fused: AdamW's, for embeddings, heads, norms, biases and kernels.
    """

    def __init__(  # noqa: PLR0913  the settings of two
        self,
        *,
        lr: PositiveFloat,
        momentum: Share,
        iterations: PositiveInt,
        betas: Sequence[Share],
        eps: PositiveFloat,
        fused: bool,
        weight_decay: Share,
        clip_norm: NaturalFloat,
        layer_decay: Share,
        site_rates: Mapping[str, float] | None,
        schedule: Schedule,
    ) -> None:
        super().__init__(
            lr=lr,
            weight_decay=weight_decay,
            clip_norm=clip_norm,
            layer_decay=layer_decay,
            site_rates=site_rates,
            schedule=schedule,
        )
        self.momentum = momentum
        self.iterations = iterations
        first, second = betas
        self.betas = (first, second)
        self.eps = eps
        self.fused = fused

    def optimizer(self, groups: Sequence[Group]) -> torch.optim.Optimizer:
        """Return `torch.optim.Muon` and `torch.optim.AdamW` as one, or AdamW where no matrix is hidden."""
        hidden = [self.settings(part) for group in groups if (part := _pick(group, hidden=True)).named]
        others = [self.settings(part) for group in groups if (part := _pick(group, hidden=False)).named]
        halves: list[torch.optim.Optimizer] = []
        if hidden:
            halves.append(
                torch.optim.Muon(
                    hidden,
                    lr=self.lr,
                    momentum=self.momentum,
                    ns_steps=self.iterations,
                    adjust_lr_fn="match_rms_adamw",
                )
            )
        if others:
            halves.append(
                torch.optim.AdamW(others, lr=self.lr, betas=self.betas, eps=self.eps, fused=self.fused)
            )
        return Joined(halves)


def _pick(group: Group, *, hidden: bool) -> Group:
    """Return the matrices inside layers, or the rest."""
    named = {
        name: p
        for name, p in group.named.items()
        if (group.decays and p.ndim == 2 and in_a_layer(name)) == hidden
    }
    return replace(group, named=named)
