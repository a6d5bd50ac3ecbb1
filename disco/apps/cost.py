"""What it costs to make music with a run: time, memory, size, on the machine at hand."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from disco.core.ranges import NaturalInt, PositiveInt
from disco.metrics.efficiency import count_flops, disk_bytes, peak_memory, size_of, time_making

if TYPE_CHECKING:
    from disco.core.module import GenerativeModule


@dataclass(frozen=True, kw_only=True)
class Efficiency:
    """How the cost is measured.

    Args:
        repeats: times that making one piece is timed; 20 or more make the 95th percentile mean something.
        warmup: times before that do not count.
    """

    repeats: PositiveInt
    warmup: NaturalInt

    def measure(
        self, module: GenerativeModule, weights: Path, make: Callable[[], Any], *, seconds: float
    ) -> dict[str, Any]:
        """Return the figures, and the machine they belong to; `make` makes one piece of `seconds`."""

        def once() -> float:
            make()
            return seconds

        speed, size = time_making(once, repeats=self.repeats, warmup=self.warmup), size_of(module)
        return {
            "seconds_per_second": speed.rtf_p50,
            "seconds_per_second_p95": speed.rtf_p95,
            "repeats": self.repeats,
            "piece_seconds": seconds,
            "peak_bytes": peak_memory(make),
            "flops_per_second": count_flops(make) / seconds,
            "parameters": size.parameters,
            "weight_bytes": size.weight_bytes,
            "file_bytes": disk_bytes(weights),
            "device": _device(module.device),
        }


def _device(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads"
