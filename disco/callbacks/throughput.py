"""How fast training is, what it waits for, and how much of the machine it uses."""

from __future__ import annotations

import resource
import shutil
import sys
import time
from collections.abc import Mapping
from typing import Any

import lightning as L
import torch
from lightning.pytorch.profilers import Profiler
from torch.utils.flop_counter import FlopCounterMode

from disco.callbacks.amounts import amounts_of
from disco.core.module import GenerativeModule

FETCH = "[_TrainingEpochLoop].train_dataloader_next"  # what Lightning calls waiting for the loader
BF16, FP32 = torch.bfloat16, torch.float32
# Dense FLOP/s of the vendor's data sheets; those of Lightning's table for H200 and H100 NVL assume sparsity.
PEAKS = {
    "H100 PCIe": {BF16: 756e12, FP32: 51.2e12},
    "H100 NVL": {BF16: 835e12, FP32: 60e12},
    "H100": {BF16: 989.4e12, FP32: 66.9e12},
    "H200": {BF16: 989.4e12, FP32: 66.9e12},
    "A100": {BF16: 312e12, FP32: 19.5e12},
}
TF32_SHARE = 0.5  # of the bfloat16 rate, where torch.set_float32_matmul_precision allows it
TRIALS, SIZE = 5, 512  # matrix products that measure a processor, and their size


class Throughput(L.Callback):
    """Logs speed, waiting, memory and utilisation as often as the trainer logs.

    * `speed/steps`, `speed/tokens`, `speed/audio_seconds` – per second of training, all processes
      together; validation, samples and saving do not count
    * `speed/data_wait` – share of that time in which the training process waits for its loader
    * `speed/mfu` – model FLOPs utilisation: those of the first step, by the batches per second, over
      the peak of the device; the peak of a CPU is measured with a few matrix products; not logged for
      a GPU whose peak is not known here
    * `memory/peak_gb` – largest resident memory of the process; `memory/cuda_peak_gb` – largest
      allocation on the GPU; `disk/free_gb` – room where the run folder lies; each in 10^9 bytes
    """

    def __init__(self) -> None:
        super().__init__()
        self.clock = Stopwatch()
        self.flops: float | None = None
        self.peak: float | None = None
        self.counter: FlopCounterMode | None = None
        self.batches = 0
        self.first_step = 0
        self.amounts: dict[str, torch.Tensor] = {}
        self.profiler: Profiler | None = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Measure the device and listen to the loader."""
        self.peak = peak_of(pl_module.device, trainer.precision)
        self.flops = None
        self.clock = Stopwatch()
        self.profiler = trainer.profiler  # pyright: ignore[reportAttributeAccessIssue]  its connector sets it
        assert self.profiler is not None
        trainer.profiler = Waits(self.profiler, self.clock)  # pyright: ignore[reportAttributeAccessIssue]
        self._begin(trainer)

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Count the operations of the first step."""
        if self.flops is None and self.peak is not None:
            self.counter = FlopCounterMode(display=False)
            self.counter.__enter__()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count what went through, and log it when due."""
        assert isinstance(pl_module, GenerativeModule)
        if self.counter is not None:
            self._end_count()
            self._begin(trainer)  # counting is slow
            return
        for name, amount in amounts_of(batch, pl_module.view).items():
            self.amounts[name] = self.amounts.get(name, 0) + amount
        self.batches += 1
        due = trainer._logger_connector.should_update_logs
        if due and pl_module.device.type == "cuda":
            torch.cuda.synchronize(pl_module.device)
        self.clock.stop()
        if due and self.clock.seconds > 0:
            values = self._measures(trainer, pl_module.device)
            pl_module.log_dict(values, on_step=True, on_epoch=False, batch_size=1)
            self._begin(trainer)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Leave the trainer as it was."""
        self._restore(trainer)

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        """Leave the trainer as it was."""
        self._restore(trainer)

    def _begin(self, trainer: L.Trainer) -> None:
        self.clock.reset()
        self.batches = 0
        self.first_step = trainer.global_step
        self.amounts = {}

    def _end_count(self) -> None:
        assert self.counter is not None
        self.counter.__exit__(None, None, None)
        self.flops = float(self.counter.get_total_flops())
        self.counter = None

    def _measures(self, trainer: L.Trainer, device: torch.device) -> dict[str, float]:
        seconds = self.clock.seconds
        values = {
            f"speed/{name}": float(amount) * trainer.world_size / seconds
            for name, amount in self.amounts.items()
        }
        values["speed/steps"] = (trainer.global_step - self.first_step) / seconds
        values["speed/data_wait"] = self.clock.waited / seconds
        if self.flops and self.peak:
            values["speed/mfu"] = self.flops * self.batches / seconds / self.peak
        unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
        values["memory/peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
        if device.type == "cuda":
            values["memory/cuda_peak_gb"] = torch.cuda.max_memory_allocated(device) / 1e9
        values["disk/free_gb"] = shutil.disk_usage(trainer.default_root_dir).free / 1e9
        return values

    def _restore(self, trainer: L.Trainer) -> None:
        if self.counter is not None:
            self._end_count()
        if self.profiler is not None:
            trainer.profiler = self.profiler  # pyright: ignore[reportAttributeAccessIssue]
            self.profiler = None


class Stopwatch:
    """Runs from the moment a batch is asked for until its step is done; knows how long the asking took."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.waited = 0.0
        self._began: float | None = None
        self._asked = 0.0

    def reset(self) -> None:
        """Begin at zero."""
        self.seconds = self.waited = 0.0
        self._began = None

    def ask(self) -> None:
        """A batch is asked for."""
        self._asked = time.perf_counter()
        if self._began is None:
            self._began = self._asked

    def got(self) -> None:
        """The batch is there."""
        self.waited += time.perf_counter() - self._asked

    def stop(self) -> None:
        """The step is done."""
        if self._began is not None:
            self.seconds += time.perf_counter() - self._began
            self._began = None


class Waits(Profiler):
    """Tells a stopwatch when the training loop asks for a batch, and passes everything on."""

    def __init__(self, inner: Profiler, clock: Stopwatch) -> None:
        super().__init__()
        self.inner = inner
        self.clock = clock

    def start(self, action_name: str) -> None:
        """Begin an action."""
        if action_name == FETCH:
            self.clock.ask()
        self.inner.start(action_name)

    def stop(self, action_name: str) -> None:
        """End an action."""
        self.inner.stop(action_name)
        if action_name == FETCH:
            self.clock.got()


def peak_of(device: torch.device, precision: str) -> float | None:
    """Return the FLOP/s that a device could do at most in dense matrix products; None where unknown."""
    dtype = FP32 if precision.startswith(("32", "64")) else BF16
    if device.type == "cpu":
        return matmul_rate(dtype)
    return named_peak(torch.cuda.get_device_name(device), dtype) if device.type == "cuda" else None


def named_peak(
    name: str, dtype: torch.dtype, peaks: Mapping[str, Mapping[torch.dtype, float]] = PEAKS
) -> float | None:
    """Return the peak of a GPU by the name that its driver gives it."""
    row = next((row for chip, row in peaks.items() if chip in name), None)
    if row is None:
        return None
    tf32 = dtype == FP32 and torch.get_float32_matmul_precision() != "highest"
    return TF32_SHARE * row[BF16] if tf32 else row[dtype]


def matmul_rate(dtype: torch.dtype) -> float:
    """Return the FLOP/s of the best of a few matrix products on the CPU; takes some milliseconds."""
    matrix = torch.full((SIZE, SIZE), 0.5, dtype=dtype)
    best = float("inf")
    for _ in range(TRIALS):
        began = time.perf_counter()
        torch.mm(matrix, matrix)
        best = min(best, time.perf_counter() - began)
    return 2 * SIZE**3 / best
