"""Dry steps: what a training step of a config takes in memory and time, measured and then undone."""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import lightning as L
import torch
from lightning.pytorch.utilities.seed import isolate_rng
from torch.autograd import DeviceType

from disco.core.remembers import Remembers

if TYPE_CHECKING:
    from collections.abc import Callable

    from disco.core.datamodule import MusicData
    from disco.core.module import GenerativeModule

SMALL = (2, 3)  # batch sizes that memory is measured at; 1 is left out, as torch treats it specially
WARM = 2  # steps before those that are measured: an optimiser makes its state in the first
TIMED = 3
QUIET = "99"  # above all levels: the profiler writes of its stages to the terminal otherwise


@dataclass(frozen=True)
class Step:
    """What steps take.

    Attributes:
        held: bytes of weights, of the optimiser's state and of the batch.
        passing: bytes that each allocation of two steps in a row brings (or frees, below 0), in order: the
            gradients of the first are still there when the second has run forward.
        seconds: its length.
    """

    held: int
    passing: list[int]
    seconds: float

    @property
    def peak(self) -> int:
        """Bytes at the fullest moment."""
        return self.held + max(_running(self.passing))


def peak_at(batch_size: int, small: Step, larger: Step) -> int:
    """Foretell the bytes of a step from those of steps with `SMALL` batches.

    Both steps make the same allocations in the same order, each of them a fixed part and a part per
    item, so that the fullest moment is found exactly, whichever it is at that size.
    """
    first, second = SMALL
    ratio = (batch_size - first) / (second - first)
    if len(small.passing) != len(larger.passing):  # another kernel: go by the peaks
        return round(small.peak + ratio * (larger.peak - small.peak))
    levels = zip(_running(small.passing), _running(larger.passing), strict=True)
    return small.held + round(max(a + ratio * (b - a) for a, b in levels))


def _running(changes: list[int]) -> list[int]:
    level, levels = 0, [0]
    for change in changes:
        level += change
        levels.append(level)
    return levels


def measure(
    module: GenerativeModule,
    data: MusicData,
    make_trainer: Callable[[int, list[L.Callback]], L.Trainer],
    *,
    batch_size: int,
    timed: bool,
) -> Step:
    """Train a few steps at a batch size; whatever training starts from is then as it was.

    Args:
        module: with what may move chosen.
        data: that was told what the module wants.
        make_trainer: builds a trainer of so many batches with further callbacks.
        batch_size: items per batch.
        timed: measure the seconds and not the memory, with the loader's own processes.
    """
    probe = _Probe(timed=timed)
    batches = WARM + (TIMED if timed else 2)
    with _undone(module), _served(data, batch_size, data.num_workers if timed else 0):
        make_trainer(batches, [probe]).fit(module, datamodule=data)
    gc.collect()  # the trainer, with its optimiser and its loader processes
    return Step(probe.held, probe.passing, statistics.median(probe.seconds or [0.0]))


@contextmanager
def _undone(module: GenerativeModule) -> Iterator[None]:
    kept = {name: value.detach().clone() for name, value in _tensors(module)}
    modes = {name: part.training for name, part in module.named_modules()}
    parts = [part for part in module.modules() if isinstance(part, Remembers)]
    memories = [part.memory() for part in parts]
    facts = {name: getattr(module, name) for name in ("fresh", "recounts", "skipped", "window")}
    module.fresh = module.recounts = False  # a survey of the data is not part of a step
    try:
        with isolate_rng():
            yield
    finally:
        with torch.no_grad():
            for name, value in _tensors(module):
                if name in kept:  # a method's own terms go as they came, with the next fit
                    value.copy_(kept[name])
        for parameter in module.parameters():
            parameter.grad = None
        for name, part in module.named_modules():
            part.training = modes.get(name, part.training)
        for name, value in facts.items():
            setattr(module, name, value)
        for part, memory in zip(parts, memories, strict=True):
            part.recall(memory)


def _tensors(module: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from module.named_parameters()
    yield from module.named_buffers()


@contextmanager
def _served(data: MusicData, batch_size: int, num_workers: int) -> Iterator[None]:
    before = data.batch_size, data.num_workers
    data.batch_size, data.num_workers = batch_size, num_workers
    try:
        yield
    finally:
        data.batch_size, data.num_workers = before


class _Probe(L.Callback):
    """Watches the last batches of a fit."""

    def __init__(self, *, timed: bool) -> None:
        self.timed = timed
        self.held = 0
        self.passing: list[int] = []
        self.seconds: list[float] = []
        self.batches = 0  # over all epochs
        self.profile: Any = None
        self.begun = 0.0

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Look at what is there, and begin."""
        if not self.timed and self.batches == WARM:
            for parameter in pl_module.parameters():
                parameter.grad = None  # a profile hears only of releases of what it has seen come
            self.held = held_bytes(pl_module, trainer.optimizers) + _batch_bytes(batch)
            os.environ.setdefault("KINETO_LOG_LEVEL", QUIET)
            self.profile = torch.profiler.profile(profile_memory=True, acc_events=True)
            self.profile.__enter__()
        self.begun = self.begun or time.perf_counter()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """End, and read what was seen."""
        if self.timed:
            if pl_module.device.type == "cuda":
                torch.cuda.synchronize()
            now = time.perf_counter()
            if self.batches >= WARM:
                self.seconds.append(now - self.begun)  # with the wait for the data
            self.begun = now
        if self.profile is not None and self.batches > WARM:
            self.profile.__exit__(None, None, None)
            self.passing = _allocations(self.profile, pl_module.device.type)
            self.profile = None
        self.batches += 1


def held_bytes(module: torch.nn.Module, optimizers: Any) -> int:
    """Return the bytes of weights, buffers and optimiser state."""
    tensors = [value for _, value in _tensors(module)]
    for optimizer in optimizers:
        for state in optimizer.state.values():
            tensors += [value for value in state.values() if isinstance(value, torch.Tensor)]
    return sum(value.nbytes for value in tensors)


def _batch_bytes(batch: Any) -> int:
    return sum(value.nbytes for value in vars(batch).values() if isinstance(value, torch.Tensor))


def _allocations(profile: Any, device: str) -> list[int]:
    """Return the bytes of every allocation, and of every release below 0, in order of time."""
    kind = DeviceType.CUDA if device == "cuda" else DeviceType.CPU
    events = profile.profiler.kineto_results.events()
    memory = [e for e in events if e.name() == "[memory]" and e.device_type() == kind]
    return [e.nbytes() for e in sorted(memory, key=lambda e: e.start_ns())]
