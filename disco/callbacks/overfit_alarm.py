"""Say once when validation and training drift apart."""

from __future__ import annotations

from typing import Any

import lightning as L

from disco.callbacks.rounds import RoundLoss
from disco.callbacks.together import say
from disco.core.ranges import PositiveInt


class GrowingGap:
    """Counts rounds in a row in which the gap between validation and training loss grew."""

    def __init__(self) -> None:
        self.gap: float | None = None
        self.rounds = 0

    def see(self, train: float, val: float) -> int:
        """Take in a round, and return how many in a row have grown by now."""
        gap = val - train
        self.rounds = self.rounds + 1 if self.gap is not None and gap > max(self.gap, 0.0) else 0
        self.gap = gap
        return self.rounds


class OverfitAlarm(L.Callback):
    """Warns once when validation is worse than training and the gap grew `rounds` rounds in a row.

    Args:
        rounds: validation rounds in a row.
    """

    def __init__(self, *, rounds: PositiveInt) -> None:
        super().__init__()
        self.rounds = rounds
        self.loss = RoundLoss()
        self.growth = GrowingGap()
        self.rung = False

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Begin anew; what a resumed run remembers comes after."""
        self.loss, self.growth, self.rung = RoundLoss(), GrowingGap(), False

    def state_dict(self) -> dict[str, Any]:
        """Return the count so far."""
        return {"rounds": self.growth.rounds, "gap": self.growth.gap, "rung": self.rung}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the count."""
        self.growth.rounds, self.growth.gap = state_dict["rounds"], state_dict["gap"]
        self.rung = state_dict["rung"]

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Take in the training loss."""
        self.loss.add(trainer)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Take in the round, and warn when it was one too many."""
        if trainer.sanity_checking or (train := self.loss.take()) is None:
            return
        val = float(trainer.callback_metrics["val/loss"])  # every run measures it
        if self.growth.see(train, val) >= self.rounds and not self.rung:
            self.rung = True
            say(
                trainer,
                f"overfit_alarm: val {val:.4g} and train {train:.4g} have drifted apart {self.rounds} rounds "
                "in a row; more data, augment=[…], more dropout, a smaller adapter.rank or fewer steps help",
            )
