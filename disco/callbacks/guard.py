"""A guard against single batches that would spoil the weights."""

from __future__ import annotations

import json
import math
import statistics
from collections import deque
from pathlib import Path
from typing import Any

import lightning as L

from disco.callbacks.checkpoint import keeper_of
from disco.callbacks.together import say
from disco.core.loader import Loader
from disco.core.module import GenerativeModule
from disco.core.ranges import PositiveFloat, PositiveInt
from disco.errors import DiscoError

FILE = "skipped.jsonl"
LOOKED_BACK = 100  # steps whose median is the usual norm
ENOUGH = 20  # steps before which nothing is known to be usual


class Guard(L.Callback):
    """Leaves out steps whose gradients are far beyond the usual, and stops after too many in a row.

    A step with gradients that are no numbers is always left out. `skipped.jsonl` in the run folder tells
    the step, the norm of the gradients and the ids of the pieces of every step left out.

    Args:
        spike: a step is left out when its norm is so many times the median of the last 100; null never.
        in_a_row: steps left out in a row after which training stops; the weights are those before them.
    """

    def __init__(self, *, spike: PositiveFloat | None, in_a_row: PositiveInt) -> None:
        super().__init__()
        self.spike = spike
        self.in_a_row = in_a_row
        self.norms: dict[str, deque[float]] = {}
        self.refused: list[float] = []
        self.count = 0  # in a row
        self.skipped = 0
        self.step = 0
        self.batches = 0  # since the last step

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Begin anew; what a resumed run has seen comes after."""
        self.norms, self.count, self.refused = {}, 0, []

    def state_dict(self) -> dict[str, Any]:
        """Return the norms that are usual, and how many steps in a row were left out."""
        return {"norms": {name: list(norms) for name, norms in self.norms.items()}, "count": self.count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take them up."""
        self.norms = {name: deque(norms, LOOKED_BACK) for name, norms in state_dict["norms"].items()}
        self.count = state_dict["count"]

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Be asked before every step."""
        assert isinstance(pl_module, GenerativeModule)
        pl_module.wanted = self.wants
        self.skipped, self.step, self.batches = pl_module.skipped, trainer.global_step, 0

    def wants(self, name: str, norm: float) -> bool:
        """Return whether a step with gradients of this norm is made; `name` tells the optimisers apart."""
        norms = self.norms.setdefault(name, deque(maxlen=LOOKED_BACK))
        usual = statistics.median(norms) if len(norms) >= ENOUGH else math.inf
        if self.spike is not None and norm > self.spike * usual:
            self.refused.append(norm)
            return False
        norms.append(norm)
        return True

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write down what was left out; stop where it is too much.

        Raises:
            DiscoError: so many steps in a row were left out.
        """
        assert isinstance(pl_module, GenerativeModule)
        self.batches += 1
        if trainer.global_step == self.step:
            return
        batches, self.batches, self.step = self.batches, 0, trainer.global_step
        if pl_module.skipped == self.skipped:
            self.count = 0
            return
        self.skipped = pl_module.skipped
        refused, self.refused = self.refused, []
        if trainer.is_global_zero:
            self._write(trainer, refused, batches)
        if not refused and getattr(trainer.precision_plugin, "scaler", None) is not None:
            return  # float16 finds its scale by such steps
        self.count += 1
        if self.count >= self.in_a_row:
            self._stop(trainer)

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Be asked no more."""
        assert isinstance(pl_module, GenerativeModule)
        pl_module.wanted = None

    def _write(self, trainer: L.Trainer, refused: list[float], batches: int) -> None:
        row = {
            "step": trainer.global_step,
            "norm": refused[0] if refused else None,
            "ids": pieces(trainer, batches),
        }
        path = Path(trainer.default_root_dir) / FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def _stop(self, trainer: L.Trainer) -> None:
        if (keeper := keeper_of(trainer)) is not None:
            try:
                keeper.save(trainer)
            except (
                DiscoError
            ) as error:  # the weights themselves are no numbers: the file before is the good one
                say(trainer, f"guard: {error}")
        raise DiscoError(
            f"{self.count} steps in a row were left out, the last at step {trainer.global_step:,}",
            do=f"look at the pieces in {Path(trainer.default_root_dir) / FILE}, "
            f"then go on with resume={trainer.default_root_dir} at a lower optim.lr",
        )


def pieces(trainer: L.Trainer, batches: int) -> list[str]:
    """Return the ids of the records that made the last batches of this process; none of another's loader."""
    loader = trainer.train_dataloader
    if not isinstance(loader, Loader):
        return []
    return loader.names([key for batch in loader.keys(batches) for key in batch])
