"""Stop when the loss falls and the music gets worse."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import lightning as L

from disco.callbacks.monitor import Monitor
from disco.callbacks.rounds import RoundLoss
from disco.callbacks.together import say
from disco.core.ranges import PositiveInt


class Decline:
    """Counts rounds in a row in which quality got worse while the training loss fell.

    Args:
        mode: whether low ("min") or high ("max") quality values are good.
    """

    def __init__(self, mode: Literal["min", "max"]) -> None:
        self.sign = 1.0 if mode == "min" else -1.0
        self.before: tuple[float, float] | None = None
        self.rounds = 0

    def see(self, quality: float, loss: float) -> int:
        """Take in a round, and return how many in a row have declined by now."""
        cost = self.sign * quality
        worse = self.before is not None and cost > self.before[0] and loss < self.before[1]
        self.rounds = self.rounds + 1 if worse else 0
        self.before = (cost, loss)
        return self.rounds


class QualityStop(Monitor):
    """Stops when a measure got worse `rounds` validation rounds in a row while the training loss fell.

    Args:
        monitor: validation measure of quality.
        mode: whether low ("min") or high ("max") values are good.
        rounds: in a row.
    """

    name: ClassVar[str] = "quality_stop"

    def __init__(self, *, monitor: str, mode: Literal["min", "max"], rounds: PositiveInt) -> None:
        super().__init__()
        self.monitor = monitor
        self.mode: Literal["min", "max"] = mode
        self.rounds = rounds
        self.loss = RoundLoss()
        self.decline = Decline(mode)

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Begin anew; what a resumed run remembers comes after."""
        self.loss = RoundLoss()
        self.decline = Decline(self.mode)

    def state_dict(self) -> dict[str, Any]:
        """Return the count so far."""
        return {"rounds": self.decline.rounds, "before": self.decline.before}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the count."""
        self.decline.rounds, self.decline.before = state_dict["rounds"], state_dict["before"]

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Take in the training loss."""
        self.loss.add(trainer)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Take in the round, and stop when it was one too many.

        Raises:
            DiscoError: the measure is not logged.
        """
        if trainer.sanity_checking or not self.fresh(trainer) or (loss := self.loss.take()) is None:
            return
        quality = self.measured(trainer)
        enough = self.decline.see(quality, loss) >= self.rounds
        if trainer.strategy.reduce_boolean_decision(enough, all=False):
            trainer.should_stop = True
            say(
                trainer,
                f"quality_stop: {self.monitor} got worse {self.rounds} rounds in a row, the loss better",
            )
