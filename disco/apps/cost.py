"""What it costs to make music with a run: time, memory, size, on the machine at hand."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from disco.core.ranges import NaturalInt, PositiveInt
from disco.metrics.efficiency import (
    cached_bytes,
    count_flops,
    disk_bytes,
    peak_memory,
    size_of,
    time_making,
)

if TYPE_CHECKING:
    from disco.core.module import GenerativeModule

Make = Callable[[float], Any]
Precision = Literal["float32", "bfloat16", "float16"]
CHUNK = 1.0  # seconds: who plays while it is made waits for the first of them


@dataclass(frozen=True, kw_only=True)
class Efficiency:
    """How the cost is measured.

    Args:
        repeats: times that making one piece is timed; 20 or more make the 95th percentile mean something.
        warmup: times before that do not count.
        precisions: in which a piece is made once on every device of this machine; where one does not run,
            the reason stands in the figures.
    """

    repeats: PositiveInt
    warmup: NaturalInt
    precisions: Sequence[Precision]

    def measure(
        self, module: GenerativeModule, weights: Path, make: Make, *, seconds: float
    ) -> dict[str, Any]:
        """Return the figures, and the machine they belong to; `make` makes one piece of so many seconds.

        `first_second` is the wait for a piece of one second, the least that can be played: pieces are handed
        out whole. `cache_bytes` are the keys and values that a decoder keeps for one piece.
        """
        timing = {"repeats": self.repeats, "warmup": self.warmup}
        chunk = min(CHUNK, seconds)
        speed = time_making(lambda: _made(make, seconds), **timing)
        first = time_making(lambda: _made(make, chunk), **timing)
        size, caches = size_of(module), 0

        def once() -> None:
            nonlocal caches
            caches = cached_bytes(module, lambda: make(seconds))

        operations = count_flops(once)
        return {
            "seconds_per_second": speed.rtf_p50,
            "seconds_per_second_p95": speed.rtf_p95,
            "first_second": first.rtf_p50 * chunk,
            "repeats": self.repeats,
            "piece_seconds": seconds,
            "peak_bytes": peak_memory(lambda: make(seconds)),
            "flops_per_second": operations / seconds,
            "cache_bytes": caches,
            "parameters": size.parameters,
            "weight_bytes": size.weight_bytes,
            "file_bytes": disk_bytes(weights),
            "device": _named(module.device),
            **dict(self._matrix(module, make, seconds)),
        }

    def _matrix(
        self, module: GenerativeModule, make: Make, seconds: float
    ) -> Iterator[tuple[str, float | str]]:
        """Yield the speed on every device of this machine at every precision, or why there is none."""
        home = module.device
        devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
        for device in devices:
            for precision in self.precisions:
                dtype = getattr(torch, precision)
                plain = dtype is torch.float32
                module.to(device)
                try:
                    with nullcontext() if plain else torch.autocast(device, dtype=dtype):
                        speed: float | str = time_making(lambda: _made(make, seconds), repeats=1).rtf_p50
                except RuntimeError as error:  # PyTorch's, of any kind: that it does not run is the finding
                    speed = f"does not run: {str(error).splitlines()[0]}"
                yield f"seconds_per_second {device} {precision}", speed
        module.to(home)


def _made(make: Make, seconds: float) -> float:
    make(seconds)
    return seconds


def _named(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads"
