"""Trees of tensors and plain values: as JSON with the tensors beside it, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

MARK = "$"  # before the one key of a table that stands for something else


def packed(tree: Any, room: Mapping[str, Tensor] | None = None) -> tuple[Any, dict[str, Tensor]]:
    """Return what JSON can hold of a tree, and copies of its tensors, named by their path.

    Args:
        tree: tables, lists, tuples, numbers, texts, None and tensors.
        room: tensors of an earlier call that are no longer needed; those that fit are written over.

    Raises:
        TypeError: something else is in it; names the path.
    """
    copies: dict[str, Tensor] = {}
    return _pack(tree, "", copies, room or {}), copies


def unpacked(plain: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Return the tree that was packed."""
    if isinstance(plain, list):
        return [unpacked(one, tensors) for one in plain]
    if not isinstance(plain, dict):
        return plain
    if len(plain) == 1:
        ((key, value),) = plain.items()
        if key == f"{MARK}tensor":
            return tensors[value]
        if key == f"{MARK}tuple":
            return tuple(unpacked(one, tensors) for one in value)
        if key == f"{MARK}table":
            return {unpacked(name, tensors): unpacked(one, tensors) for name, one in value}
    return {name: unpacked(one, tensors) for name, one in plain.items()}


def _pack(tree: Any, path: str, copies: dict[str, Tensor], room: Mapping[str, Tensor]) -> Any:
    if isinstance(tree, Tensor):
        name = path
        while name in copies:
            name += "'"
        copies[name] = _copy(tree, room.get(name))
        return {f"{MARK}tensor": name}
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    if isinstance(tree, Mapping):
        parts = [
            (key, _pack(value, f"{path}/{key}" if path else str(key), copies, room))
            for key, value in tree.items()
        ]
        if all(isinstance(key, str) and not key.startswith(MARK) for key in tree):
            return dict(parts)
        return {f"{MARK}table": [[_pack(key, path, copies, room), value] for key, value in parts]}
    if isinstance(tree, list | tuple):
        values = [_pack(value, f"{path}/{place}", copies, room) for place, value in enumerate(tree)]
        return {f"{MARK}tuple": values} if isinstance(tree, tuple) else values
    raise TypeError(f"{path} is a {type(tree).__name__}, which a checkpoint does not hold")


def _copy(tensor: Tensor, room: Tensor | None) -> Tensor:
    """Copy to the CPU."""
    tensor = tensor.detach()
    if room is None or room.shape != tensor.shape or room.dtype != tensor.dtype:
        room = torch.empty(tensor.shape, dtype=tensor.dtype, device="cpu")
    return room.copy_(tensor)
