"""Full training: every weight moves."""

from __future__ import annotations

from disco.core.module import GenerativeModule


class Full:
    """Leaves the model as it is."""

    needs_base = False

    def attach(self, module: GenerativeModule) -> None:
        """Insert nothing."""

    def merge(self, module: GenerativeModule) -> None:
        """Fold nothing."""
