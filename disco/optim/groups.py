"""Which parameters decay: matrices do; norms, biases and embeddings do not."""

from __future__ import annotations

from typing import Any

from torch import nn


def decay_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Split the parameters that require gradients into those that decay and those that do not."""
    moving = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
    plain = {name for name, p in moving if p.ndim < 2 or "embedding" in name or "norm" in name}
    return [
        {"params": [p for name, p in moving if name not in plain], "weight_decay": weight_decay},
        {"params": [p for name, p in moving if name in plain], "weight_decay": 0.0},
    ]
