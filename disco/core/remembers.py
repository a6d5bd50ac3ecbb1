"""Parts of a model that remember more than tensors of their state."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Remembers(Protocol):
    """Holds, from one step to the next, what belongs into a checkpoint and not into the trained model."""

    def memory(self) -> Any:
        """Return it, as tables and lists of tensors and plain values."""
        ...

    def recall(self, memory: Any) -> None:
        """Take it up again."""
        ...
