"""Tensors in files, without pickle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from disco.core.header import read_header
from disco.drafts import drafted
from disco.errors import DiscoError


def save_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write a safetensors file by way of a draft beside it.

    Raises:
        DiscoError: it cannot be written; what was there is untouched.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    whole = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    try:
        with drafted(path) as draft:
            save_file(whole, draft, metadata=dict(metadata or {}))
    except (OSError, SafetensorError) as error:  # the latter where the disk is full
        raise DiscoError(
            f"{path} cannot be written: {error}; what was there is untouched", do="make room, then try again"
        ) from error


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file; nothing in it can run.

    Raises:
        DiscoError: it is none, or one that was made to do harm.
    """
    from safetensors.torch import load_file

    read_header(path)
    return load_file(path)
