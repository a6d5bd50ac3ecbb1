"""The state of every source of random numbers that training draws from."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.distributed as dist


def chances() -> dict[str, Any]:
    """Return the states of PyTorch on every device, NumPy and Python, of this process."""
    kind, keys, place, has_gauss, gauss = np.random.get_state()  # noqa: NPY002  the global one is meant
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [str(kind), np.asarray(keys).tolist(), int(place), int(has_gauss), float(gauss)],
        "python": random.getstate(),
    }


def restore(states: Mapping[str, Any]) -> None:
    """Go on drawing where `chances` was asked."""
    torch.set_rng_state(states["torch"])
    if torch.cuda.is_available() and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
    kind, keys, *rest = states["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), *rest))  # noqa: NPY002
    random.setstate(states["python"])


def part(rank: int, step: int) -> None:
    """Let the first process draw on; send each other one on a way of its own, which depends on the step."""
    if rank:
        torch.manual_seed((torch.initial_seed() + 1_000_003 * rank + 7_919 * step) % 2**63)


def of_all_processes(mine: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the states of every process, by rank; every process must ask."""
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return [mine]
    everyones: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(everyones, mine)
    return everyones


def of_this_process(states: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the states of this rank; None where there were fewer processes when they were saved."""
    rank = dist.get_rank() if dist.is_available() and dist.is_initialized() else 0
    return states[rank] if rank < len(states) else None
