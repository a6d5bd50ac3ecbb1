"""Tensors in files, without pickle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from disco.core.header import read_header
from disco.drafts import drafted


def save_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write a safetensors file by way of a draft beside it."""
    from safetensors.torch import save_file

    whole = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with drafted(path) as draft:
        save_file(whole, draft, metadata=dict(metadata or {}))


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file; nothing in it can run.

    Raises:
        DiscoError: it is none, or one that was made to do harm.
    """
    from safetensors.torch import load_file

    read_header(path)
    return load_file(path)
