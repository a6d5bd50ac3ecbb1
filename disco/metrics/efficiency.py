"""What making music costs: time per second of sound, memory, operations, size."""

import math
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from disco.nets.transformer import Cache, Decoder

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


def cached_bytes(module: nn.Module, work: Callable[[], Any]) -> int:
    """Return the most bytes of keys and values that decoders of a module hold while working.

    Two vectors per layer, step and piece, and as many for what is attended to; 0 of a model that keeps none.
    """
    most = 0

    def look(part: nn.Module, given: tuple[Any, ...], named: Mapping[str, Any], output: Any) -> None:
        nonlocal most
        for cache in (*given, *named.values()):
            if isinstance(cache, Cache):
                pairs = (*cache.own.values(), *cache.cross.values())
                most = max(most, sum(part.numel() * part.element_size() for pair in pairs for part in pair))

    decoders = [part for part in module.modules() if isinstance(part, Decoder)]
    handles = [part.register_forward_hook(look, with_kwargs=True) for part in decoders]
    try:
        work()
    finally:
        for handle in handles:
            handle.remove()
    return most


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
