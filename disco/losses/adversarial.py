"""A critic that learns to hear the codec, and what the codec learns from it."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from disco.core.batch import Batch
from disco.core.outputs import Outputs
from disco.core.ranges import NaturalFloat, NaturalInt
from disco.core.term import Critic
from disco.nets.discriminators import MultiStftCritic


class Adversarial(Critic):
    """Hinge loss and feature matching (Défossez et al. 2022, EnCodec, section 3.4).

    Args:
        weight: factor in the sum.
        features: factor of feature matching beside the hinge loss.
        start: training step from which critic and model hear each other; before it both losses are 0.
        critic: the network that judges.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"wave", "reference"})
    steps: Tensor

    def __init__(
        self, *, weight: NaturalFloat, features: NaturalFloat, start: NaturalInt, critic: MultiStftCritic
    ) -> None:
        super().__init__(weight=weight)
        self.features = features
        self.start = start
        self.critic = critic
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def forward(self, out: Outputs, batch: Batch) -> Float[Tensor, ""]:
        """Return how far the made wave is from being taken for the original."""
        assert out.wave is not None
        assert out.reference is not None
        if int(self.steps) <= self.start:
            return out.wave.sum() * 0.0
        with torch.no_grad():
            wanted = [seen for _, seen in self.critic(out.reference)]
        verdicts = self.critic(out.wave)
        fooled = torch.stack([F.relu(1 - score).mean() for score, _ in verdicts]).mean()
        apart = [
            F.l1_loss(mine, theirs) / theirs.abs().mean().clamp_min(1e-5)
            for (_, layers), references in zip(verdicts, wanted, strict=True)
            for mine, theirs in zip(layers, references, strict=True)
        ]
        return fooled + self.features * torch.stack(apart).mean()

    def own_loss(self, out: Outputs) -> Float[Tensor, ""]:
        """Return the critic's hinge loss; called once per training step, which it counts."""
        assert out.wave is not None
        assert out.reference is not None
        self.steps += 1
        if int(self.steps) <= self.start:
            return torch.stack([p.sum() for p in self.critic.parameters()]).sum() * 0.0
        real = self.critic(out.reference.detach())
        made = self.critic(out.wave.detach())
        hinges = [
            F.relu(1 - theirs).mean() + F.relu(1 + mine).mean()
            for (theirs, _), (mine, _) in zip(real, made, strict=True)
        ]
        return torch.stack(hinges).mean()
