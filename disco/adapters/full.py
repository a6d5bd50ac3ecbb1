"""Full training: every weight moves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from disco.core.module import GenerativeModule


class Full:
    """Leaves the model as it is."""

    needs_base = False
    mergeable = True

    def attach(self, module: GenerativeModule) -> None:
        """Insert nothing."""

    def merge(self, module: GenerativeModule) -> None:
        """Fold nothing."""

    def strengthen(self, strength: float) -> None:
        """Do nothing: nothing was inserted."""

    def description(self) -> Mapping[str, Any]:
        """Return nothing: there is no adapter."""
        return {}
