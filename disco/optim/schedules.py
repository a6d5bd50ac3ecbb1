"""Learning rates over the steps of a run, as factors of the peak rate."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from disco.core.ranges import Share


class Schedule(ABC):
    """A linear warm-up over a share of the run, then `after`."""

    def __init__(self, *, warmup: Share) -> None:
        self.warmup = warmup

    @abstractmethod
    def after(self, progress: float) -> float:
        """Return the factor at `progress` in [0, 1] of what follows the warm-up."""

    def factor(self, step: int, total: int) -> float:
        """Return the factor at `step` of `total`."""
        rise = max(1, round(self.warmup * total))
        if step < rise:
            return (step + 1) / rise
        return self.after(min(1.0, (step - rise) / max(1, total - rise)))

    def attach(self, optimizer: Optimizer, total: int) -> LambdaLR:
        """Return the scheduler, to be stepped once per step."""
        return LambdaLR(optimizer, lambda step: self.factor(step, total))


class Cosine(Schedule):
    """Half a cosine from 1 down to `final`."""

    def __init__(self, *, warmup: Share, final: Share) -> None:
        super().__init__(warmup=warmup)
        self.final = final

    def after(self, progress: float) -> float:
        """Return the factor; 1 at the start, `final` at the end."""
        return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * progress))


class Linear(Schedule):
    """A straight line from 1 down to `final`."""

    def __init__(self, *, warmup: Share, final: Share) -> None:
        super().__init__(warmup=warmup)
        self.final = final

    def after(self, progress: float) -> float:
        """Return the factor; 1 at the start, `final` at the end."""
        return 1 + (self.final - 1) * progress


class Constant(Schedule):
    """The peak rate to the end."""

    def after(self, progress: float) -> float:
        """Return 1."""
        return 1.0
