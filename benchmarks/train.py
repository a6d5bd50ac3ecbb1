"""Training beside its peers: the optimiser's part, the trainer's own share, and LoRA against peft's."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from statistics import median

import lightning as L
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarks import lora_step
from benchmarks.lora_step import ours as adapted
from benchmarks.side_by_side import Contest, verdict

SHAPES = [(512, 512)] * 32 + [(512, 2048)] * 16 + [(512,)] * 64
OPTIMISER_STEPS = 20
FIT_STEPS = 20
FITS = 5
ROUNDS = 3
FASTER, SMALLER, MORE = 3.0, 0.80, 0.03  # what is asked for: of the optimiser, of LoRA, of the trainer


def contests() -> list[Contest]:
    """Return the optimiser's part."""
    return [
        Contest(
            name=f"AdamW, fused, {sum(torch.Size(s).numel() for s in SHAPES) / 1e6:.0f} M parameters",
            ours=lambda weights: _optimised(weights, fused=True),
            theirs=lambda weights: _optimised(weights, fused=False),
            peer="torch.optim.AdamW as it comes",
            tolerance=1e-5,
            setup=_weights,
            target=FASTER,
        ),
    ]


def _weights() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    weights = [nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]
    for weight in weights:
        weight.grad = torch.randn(weight.shape, generator=generator)
    return weights


def _optimised(weights: list[nn.Parameter], *, fused: bool) -> float:
    optimizer = torch.optim.AdamW(weights, lr=1e-3, fused=True if fused else None)
    for _ in range(OPTIMISER_STEPS):
        optimizer.step()
    return float(torch.stack([weight.detach().abs().sum() for weight in weights]).sum())


class _Fit(L.LightningModule):
    """The same step as the bare loop's, for the trainer to take."""

    def __init__(self, model: nn.Module, loss: Callable[[], Tensor]) -> None:
        super().__init__()
        self.model, self.loss = model, loss
        self.last = 0.0

    def training_step(self, batch: Tensor, batch_index: int) -> Tensor:
        loss = self.loss()
        self.last = float(loss.detach())
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return _optimizer(self.model)


class _Clock(L.Callback):
    """Takes the CPU seconds of the steps, without what a fit does before and after them."""

    begun = seconds = 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.begun = time.process_time()

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.seconds = time.process_time() - self.begun


def overhead_lines() -> Iterator[str]:
    """Return what Lightning's Trainer adds to the CPU seconds of a short step of a bare loop.

    Raises:
        ValueError: the losses differ.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # CPU time is work then, not waiting for each other
    fits, loops, shares = [], [], []
    for turn in range(FITS + 1):
        (fit, ours), (loop, theirs) = _fitted(), _looped()
        if abs(ours - theirs) > 1e-5 * theirs:
            raise ValueError(f"the trainer's last loss is {ours}, the loop's {theirs}")
        if turn:  # the first warms up
            fits, loops, shares = [*fits, fit], [*loops, loop], [*shares, fit / loop - 1]
    torch.set_num_threads(threads)
    share, said = median(shares), "met" if median(shares) <= MORE else "MISSED"
    yield (
        f"a step of {1e3 * median(loops) / FIT_STEPS:.0f} ms by Lightning's Trainer: "
        f"{1e3 * median(fits) / FIT_STEPS:.1f} ms, {share:.1%} more (asked for {MORE:.0%} at most: {said})"
    )


def _fitted() -> tuple[float, float]:
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    clock = _Clock()
    trainer = L.Trainer(
        accelerator="cpu", max_steps=FIT_STEPS, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, callbacks=[clock],
    )  # fmt: skip
    module = _Fit(*adapted(items=1, frames=125))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of loaders without processes, of clusters
        trainer.fit(module, DataLoader(torch.zeros(FIT_STEPS, 1)))  # pyright: ignore[reportArgumentType]
    return clock.seconds, module.last


def _looped() -> tuple[float, float]:
    model, loss = adapted(items=1, frames=125)
    optimizer = _optimizer(model)
    last = 0.0
    begun = time.process_time()
    for _ in range(FIT_STEPS):
        optimizer.zero_grad()
        value = loss()
        value.backward()
        optimizer.step()
        last = float(value.detach())
    return time.process_time() - begun, last


def _verdict(found: float, most: float) -> str:
    return f" (asked for {most:g} at most: {'met' if found <= most else 'MISSED'})"


def _optimizer(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)


def lora_lines() -> Iterator[str]:
    """Return what LoRA costs: memory in processes of their own, CPU seconds per step by turns in this one.

    Raises:
        ValueError: the losses differ, so that the ratios mean nothing.
    """
    costs = (_measured("ours"), _measured("theirs"))
    losses = [one["loss"] for one in costs]
    if max(losses) - min(losses) > 1e-5 * max(losses):
        raise ValueError(f"LoRA: the losses differ: {losses}")
    our_peak, their_peak = (one["peak_mb"] for one in costs)
    yield (
        f"LoRA, peak memory: {our_peak:.0f} MB, transformers with peft {their_peak:.0f} MB, "
        f"ratio {our_peak / their_peak:.2f}{_verdict(our_peak / their_peak, SMALLER)}, "
        f"losses {losses[0]:.7g} and {losses[1]:.7g}"
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # CPU time is work then, not waiting for each other
    steps = [lora_step.adapting(model, loss) for model, loss in (lora_step.ours(), lora_step.theirs())]
    rounds = [[_seconds(step) for step in steps] for _ in range(ROUNDS + 1)][1:]  # the first warms up
    torch.set_num_threads(threads)
    ours, theirs = (median(side) for side in zip(*rounds, strict=True))
    ratio = median(other / own for own, other in rounds)
    yield (
        f"LoRA, CPU seconds per step: {ours:.2f}, transformers with peft {theirs:.2f}, "
        f"speed {ratio:.2f}{verdict(ratio, 1.0)}"
    )


def _seconds(step: Callable[[], float]) -> float:
    begun = time.process_time()
    step()
    return time.process_time() - begun


def _measured(which: str) -> dict[str, float]:
    """Take the steps in a process of their own, every array given back to the system at once.

    So the peak is what was in use and not what the allocator kept.
    """
    command = [sys.executable, "-m", "benchmarks.lora_step", which]
    prompt = {"MALLOC_MMAP_THRESHOLD_": "262144", "MALLOC_TRIM_THRESHOLD_": "262144"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **prompt})
    return json.loads(done.stdout.splitlines()[-1])
