"""Files that appear whole or not at all, and tensors without pickle."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from disco.drafts import drafted


def write_text(path: Path, text: str) -> None:
    """Write a text file by way of a draft beside it."""
    with drafted(path) as draft:
        draft.write_text(text, encoding="utf-8")


def save_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write a safetensors file by way of a draft beside it."""
    from safetensors.torch import save_file

    whole = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with drafted(path) as draft:
        save_file(whole, draft, metadata=dict(metadata or {}))


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file; nothing in it can run."""
    from safetensors.torch import load_file

    return load_file(path)


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
