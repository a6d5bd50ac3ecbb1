"""What would learn past the optimiser in a frozen base: running statistics, codebooks."""

from __future__ import annotations

from torch import nn

from disco.core.module import GenerativeModule


def learning_parts(
    module: GenerativeModule, moving: set[int]
) -> tuple[tuple[nn.Module, ...], tuple[str, ...]]:
    """Return the parts that must be held, and the beginnings of the names of buffers that go on learning.

    A part with saved buffers learns by itself while it trains. It goes on where a weight of the base that
    moves lies within it, or within a part with saved buffers around it.

    Args:
        module: the base.
        moving: ids of those parameters of the base that training moves.
    """
    held: list[nn.Module] = []
    learning: list[str] = []
    for name, part in module.named_modules():
        if not name or not _keeps(part) or f"{name}.".startswith((*module.training_only, *module.counted)):
            continue
        inside = f"{name}.".startswith(tuple(learning))
        if inside or any(id(parameter) in moving for parameter in part.parameters()):
            learning.append(f"{name}.")
        else:
            held.append(part)
    names = {name for name, _ in module.named_buffers()}
    return tuple(held), tuple(sorted(name for name in names if name.startswith(tuple(learning))))


def _keeps(part: nn.Module) -> bool:
    """Say whether a part has buffers of its own that are saved."""
    return bool(set(part._buffers) - part._non_persistent_buffers_set)
