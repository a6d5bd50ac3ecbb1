"""Full training: every weight moves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from disco.core.module import GenerativeModule


class Full:
    """Leaves the model as it is.

    Args:
        recount: what a base counted from its data (a token prior) is counted again on the new data.
    """

    needs_base = False
    mergeable = True

    def __init__(self, *, recount: bool = False) -> None:  # runs that were saved before it lack the key
        self.recount = recount

    def attach(self, module: GenerativeModule) -> None:
        """Insert nothing."""
        module.recounts = self.recount

    def merge(self, module: GenerativeModule) -> None:
        """Fold nothing."""

    def strengthen(self, strength: float) -> None:
        """Do nothing: nothing was inserted."""

    def description(self) -> Mapping[str, Any]:
        """Return nothing: there is no adapter."""
        return {}
