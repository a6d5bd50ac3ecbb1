"""Callbacks that watch a measure: one that is never taken is refused before the first step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import lightning as L

from disco.errors import DiscoError


class Monitor(L.Callback):
    """Watches the measure `monitor`.

    Attributes:
        name: the callback's key in the config.
        monitor: a validation measure.
    """

    name: ClassVar[str]
    monitor: str

    def measured(self, trainer: L.Trainer) -> float:
        """Return the measure's value of this validation.

        Raises:
            DiscoError: it is not logged; names those that are.
        """
        value = trainer.callback_metrics.get(self.monitor)
        if value is None:
            there = sorted(n for n in trainer.callback_metrics if n.startswith("val/"))
            raise DiscoError(
                f"callbacks.{self.name}.monitor={self.monitor}: this run does not measure it",
                do=f"choose from {', '.join(there)}",
            )
        return float(value)

    def fresh(self, trainer: L.Trainer) -> bool:
        """Say whether this validation took the measure; `metrics` leaves out rounds that cost too much."""
        callbacks: Sequence[Any] = trainer.callbacks  # type: ignore[attr-defined]
        return not any(self.monitor in getattr(one, "left_out_now", ()) for one in callbacks)

    def on_sanity_check_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Refuse a measure that the trial batch before training did not bring."""
        self.measured(trainer)
