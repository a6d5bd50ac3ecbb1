"""What averages of the weights over training have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import nn
from torch.optim.swa_utils import AveragedModel

from disco.core.module import GenerativeModule
from disco.core.sharding import as_shares, local, shares

Average = Callable[[Any, Any, Any], None]


class Averaging(WeightAveraging):
    """Keeps an average of the weights beside them; validation and the end of training use it.

    Averaged is what makes the trained model: every floating-point tensor of `network_state()`. Under an
    adapter these are the weights that it moves; losses, critics and whole-number tables stay as they are.
    The average is what is validated, what `best.safetensors` holds and what the run ends with; training
    itself goes on from the plain weights, which `last.ckpt` holds, the average beside them. Samples made
    while training are those of the plain weights.

    Must stand behind the callback that saves the best weights; `apps/train.py` sees to it.

    Args:
        average: of (averages, weights, how many were averaged), in place; as `torch.optim.swa_utils`.
    """

    def __init__(self, average: Average) -> None:
        super().__init__(multi_avg_fn=average)
        self.average = average
        self.loaded: dict[str, Any] | None = None
        self.in_use = False

    @property
    def averaged(self) -> AveragedModel:
        """The average, from the beginning of a fit on."""
        assert self._average_model is not None, "made when a fit starts"
        return self._average_model

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Wait for the start of the fit, when the weights are on their device."""
        self._average_model = None
        self._latest_update_step = 0
        self.in_use = False

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Begin the average, or take it up."""
        self._average_model = AveragedModel(Bundle(pl_module), multi_avg_fn=self.average, use_buffers=True)
        if self.loaded is not None:
            self._average_model.load_state_dict(shares(self.loaded, _places(pl_module)))
            self.loaded = None

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Average after a step of the optimiser."""
        super().on_train_batch_end(trainer, Bundle(pl_module), outputs, batch, batch_idx)  # pyright: ignore[reportArgumentType]  only its tensors are read

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Average over steps, not over epochs."""

    def on_validation_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Validate the average."""
        self._use(pl_module, average=True)

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep the average in place until the best weights are saved."""

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Go on with the plain weights."""
        self._use(pl_module, average=False)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Leave the plain weights to the last checkpoint."""

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Leave the average in the model."""
        if self.averaged.n_averaged > 0:
            self._copy_average_to_current(Bundle(pl_module))  # pyright: ignore[reportArgumentType]

    def on_save_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Save the average beside the plain weights."""
        self._use(pl_module, average=False)  # an interrupt may come while validating
        if self._average_model is not None:
            self.on_train_batch_end(trainer, pl_module, None, None, 0)  # the save may come before its turn
            checkpoint["average"] = as_shares(self._average_model.state_dict(), _places(pl_module))
            checkpoint["average_step"] = self._latest_update_step

    def on_load_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Take up the average; a run that had none begins one."""
        self.loaded = checkpoint.get("average")
        self._latest_update_step = checkpoint.get("average_step", 0)

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: `on_save_checkpoint` saves all."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take nothing."""

    def _use(self, module: L.LightningModule, *, average: bool) -> None:
        """Swap what the model holds with what is kept beside it, where it is not yet as asked."""
        if average != self.in_use and self._average_model is not None and self.averaged.n_averaged > 0:
            self._swap_models(Bundle(module))  # pyright: ignore[reportArgumentType]
            self.in_use = average


class Bundle(nn.Module):
    """The tensors of a model that are averaged, as they stand."""

    def __init__(self, module: L.LightningModule) -> None:
        super().__init__()
        assert isinstance(module, GenerativeModule)
        for name, value in module.network_state().items():
            if torch.is_floating_point(value):
                self.register_buffer(name.replace(".", "/"), local(value))  # averages need no other process


def _places(module: L.LightningModule) -> dict[str, torch.Tensor]:
    """Return what is averaged by the names that the average gives it."""
    assert isinstance(module, GenerativeModule)
    return {f"module.{name.replace('.', '/')}": value for name, value in module.network_state().items()}
