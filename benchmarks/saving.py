"""How long training stands still while a checkpoint is saved."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from torch import nn

from disco.core.checkpoint_io import SafeCheckpoints

ROUNDS = 5
LAYERS, WIDTH = 24, 1024  # some 300 MB with Adam's two moments


def lines() -> Iterator[str]:
    """Return the stall beside a save that is waited for, ours and Lightning's; ours flushes to the disk."""
    state = _state()
    size = sum(t.nbytes for t in _tensors(state)) / 1e6
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        path, theirs = Path(folder) / "last.ckpt", Path(folder) / "theirs.ckpt"
        io, peer = SafeCheckpoints(), TorchCheckpointIO()
        first, stalls, waited, others = 0.0, [], [], []
        for turn in range(ROUNDS + 1):
            begun = time.perf_counter()
            io.save_checkpoint(state, path)
            stalls.append(time.perf_counter() - begun)
            io.wait()
            waited.append(time.perf_counter() - begun)
            others.append(_seconds(lambda: peer.save_checkpoint(state, theirs)))
            if turn == 0:  # the first makes the room that the others use
                first, stalls, waited, others = stalls[0], [], [], []
        io.teardown()
    stall, whole, other = (statistics.median(times) for times in (stalls, waited, others))
    yield (
        f"saving {size:.0f} MB: training stands still {stall * 1e3:.0f} ms (at first {first * 1e3:.0f} ms), "
        f"{stall / whole:.1%} of a save that is waited for ({whole * 1e3:.0f} ms); Lightning's torch.save, "
        f"which does not flush to the disk: {other * 1e3:.0f} ms, stall {stall / other:.1%} of it"
    )


def _seconds(job: Callable[[], None]) -> float:
    begun = time.perf_counter()
    job()
    return time.perf_counter() - begun


def _state() -> dict[str, object]:
    model = nn.Sequential(*(nn.Linear(WIDTH, WIDTH) for _ in range(LAYERS)))
    optimizer = torch.optim.AdamW(model.parameters())
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return {"state_dict": model.state_dict(), "optimizer_states": [optimizer.state_dict()], "learned": []}


def _tensors(tree: object) -> Iterator[torch.Tensor]:
    if isinstance(tree, torch.Tensor):
        yield tree
    elif isinstance(tree, dict):
        for value in tree.values():
            yield from _tensors(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _tensors(value)
