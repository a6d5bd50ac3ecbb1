"""What making music costs: time per second of sound, the wait for the first of it, memory, size."""

import math
import resource
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

_CLEAR_PEAK, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")  # Linux


@dataclass(frozen=True)
class Speed:
    """How long making took, over several times.

    Attributes:
        rtf_p50, rtf_p95: real-time factor: seconds of work per second of sound; under 1 keeps up.
        seconds: of work each time, without the warm-up.
    """

    rtf_p50: float
    rtf_p95: float
    seconds: tuple[float, ...]


@dataclass(frozen=True)
class Size:
    """How large a module is: parameters, those that move, and bytes of all weights and buffers."""

    parameters: int
    moving: int
    weight_bytes: int


def time_making(make: Callable[[], float], *, repeats: int, warmup: int = 1) -> Speed:
    """Time how fast sound is made.

    Args:
        make: makes sound and returns how many seconds of it.
        repeats: times that count; 20 or more make the 95th percentile mean something.
        warmup: times before that do not.

    Raises:
        ValueError: nothing is repeated, or no sound comes out.
    """
    if repeats < 1:
        raise ValueError(f"speed is measured over one or more times, got {repeats}")
    for _ in range(warmup):
        make()
    works, factors = [], []
    for _ in range(repeats):
        begun = _now()
        sound = make()
        works.append(_now() - begun)
        if sound <= 0:
            raise ValueError("no sound was made: there is no time per second of it")
        factors.append(works[-1] / sound)
    return Speed(_quantile(factors, 0.5), _quantile(factors, 0.95), tuple(works))


def time_first_chunk(stream: Callable[[], Iterable[Any]], *, repeats: int, warmup: int = 1) -> float:
    """Return the median seconds until a stream hands out its first chunk.

    Raises:
        ValueError: the stream hands out nothing.
    """
    waits = []
    for _ in range(warmup + repeats):
        begun = _now()
        for _chunk in stream():
            waits.append(_now() - begun)
            break
        else:
            raise ValueError("the stream handed out nothing")
    return _quantile(waits[warmup:], 0.5)


def peak_memory(work: Callable[[], Any]) -> int:
    """Return the most bytes held while working: on the GPU where there is one, else of the process.

    Of the process that includes what it held before. Where the kernel cannot forget an earlier peak
    (not Linux), that one counts too.
    """
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        work()
        return int(torch.cuda.max_memory_allocated())
    resettable = _CLEAR_PEAK.exists()
    if resettable:
        _CLEAR_PEAK.write_text("5")
    work()
    if resettable:
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def count_flops(work: Callable[[], Any]) -> int:
    """Return the floating-point operations of the matrix products in `work`: two per multiply-add."""
    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())


def size_of(module: nn.Module) -> Size:
    """Count parameters once each, however often they are shared."""
    tensors = [*module.parameters(), *module.buffers()]
    return Size(
        parameters=sum(p.numel() for p in module.parameters()),
        moving=sum(p.numel() for p in module.parameters() if p.requires_grad),
        weight_bytes=sum(t.numel() * t.element_size() for t in tensors),
    )


def cache_bytes(*, layers: int, width: int, steps: int, batch: int = 1, bytes_per_value: int = 4) -> int:
    """Return what keys and values of a decoder take: two vectors per layer, step and piece."""
    return 2 * layers * width * steps * batch * bytes_per_value


def disk_bytes(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def _quantile(values: Sequence[float], share: float) -> float:
    return float(np.quantile(values, share)) if values else math.nan
