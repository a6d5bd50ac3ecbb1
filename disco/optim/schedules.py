"""Learning rates over the steps of a run, as factors of the peak rate."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from disco.core.ranges import NaturalFloat, PositiveFloat, Share
from disco.errors import DiscoError


class Schedule(ABC):
    """A linear warm-up, then `after`.

    Args:
        warmup: below 1 a share of the run, from 1 on a number of steps.

    Raises:
        ValueError: part of a step.
    """

    def __init__(self, *, warmup: NaturalFloat) -> None:
        if warmup > 1 and warmup != int(warmup):
            raise ValueError(f"warmup={warmup} is neither a share below 1 nor a whole number of steps")
        self.warmup = warmup

    @abstractmethod
    def after(self, step: int, rise: int, total: int) -> float:
        """Return the factor at `step`, when `rise` steps of warm-up are over."""

    def rise(self, total: int) -> int:
        """Return the steps of warm-up in a run of `total`."""
        if self.warmup == 0:
            return 0
        return int(self.warmup) if self.warmup >= 1 else max(1, round(self.warmup * total))

    def factor(self, step: int, total: int) -> float:
        """Return the factor at `step` of `total`; the last step of the warm-up has the peak rate."""
        rise = self.rise(total)
        return (step + 1) / rise if step < rise else self.after(step, rise, total)

    def attach(self, optimizer: Optimizer, total: int) -> LambdaLR:
        """Return the scheduler, to be stepped once per step."""
        return LambdaLR(optimizer, lambda step: self.factor(step, total))

    def check(self, total: int) -> None:
        """Refuse a run that is over before its warm-up.

        Raises:
            DiscoError: says how long either is.
        """
        if 0 < total < (rise := self.rise(total)):
            raise DiscoError(
                f"optim.schedule.warmup={rise}: the warm-up takes {rise} steps, and the run has {total}",
                do="give a share, such as optim.schedule.warmup=0.05, or a longer run",
            )


def progress(step: int, begin: int, total: int) -> float:
    """Return how much of the way from `begin` to `total` is gone, 1 at most."""
    return min(1.0, (step - begin) / max(1, total - begin))


class Cosine(Schedule):
    """Half a cosine from 1 down to `final`; without warm-up it is `CosineAnnealingLR(T_max=total)`."""

    def __init__(self, *, warmup: NaturalFloat, final: Share) -> None:
        super().__init__(warmup=warmup)
        self.final = final

    def after(self, step: int, rise: int, total: int) -> float:
        """Return the factor; 1 at the start, `final` at the end."""
        return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * progress(step, rise, total)))


class Polynomial(Schedule):
    """A power of what is left of the run, from 1 down to `final`; the power 1 is a straight line."""

    def __init__(self, *, warmup: NaturalFloat, final: Share, power: PositiveFloat) -> None:
        super().__init__(warmup=warmup)
        self.final = final
        self.power = power

    def after(self, step: int, rise: int, total: int) -> float:
        """Return the factor; 1 at the start, `final` at the end."""
        return self.final + (1 - self.final) * (1 - progress(step, rise, total)) ** self.power


class Linear(Polynomial):
    """A straight line from 1 down to `final`."""

    def __init__(self, *, warmup: NaturalFloat, final: Share) -> None:
        super().__init__(warmup=warmup, final=final, power=1.0)


class Constant(Schedule):
    """The peak rate to the end."""

    def after(self, step: int, rise: int, total: int) -> float:
        """Return 1."""
        return 1.0


class InverseSqrt(Schedule):
    """One over the root of the steps so far (Vaswani et al. 2017, arXiv 1706.03762, equation 3)."""

    def after(self, step: int, rise: int, total: int) -> float:
        """Return the factor; half after four times the warm-up."""
        return math.sqrt(max(1, rise) / (step + 1))


class InverseLR(Schedule):
    """`(1 / (1 + t/gamma))^power`, `t` steps after the warm-up; how long the run is does not matter."""

    def __init__(self, *, warmup: NaturalFloat, gamma: PositiveFloat, power: PositiveFloat) -> None:
        super().__init__(warmup=warmup)
        self.gamma = gamma
        self.power = power

    def after(self, step: int, rise: int, total: int) -> float:
        """Return the factor; `2^-power` after `gamma` steps."""
        return (1 + (step - rise) / self.gamma) ** -self.power


class WarmupStableDecay(Schedule):
    """The peak rate, then over the last `decay` of the run one minus a root down to `final`.

    A run that is to go on needs no decay before its end, whatever length was planned (Hu et al. 2024,
    arXiv 2404.06395; the root: Hägele et al. 2024, arXiv 2405.18392).
    """

    def __init__(self, *, warmup: NaturalFloat, decay: Share, final: Share) -> None:
        super().__init__(warmup=warmup)
        self.decay = decay
        self.final = final

    def after(self, step: int, rise: int, total: int) -> float:
        """Return the factor; 1 until the decay, `final` at the end."""
        begin = max(rise, total - round(self.decay * total))
        if step < begin:
            return 1.0
        return self.final + (1 - self.final) * (1 - math.sqrt(progress(step, begin, total)))
