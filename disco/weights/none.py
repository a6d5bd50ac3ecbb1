"""Random weights."""

from __future__ import annotations

from disco.core.module import GenerativeModule


class Random:
    """Leaves the initialisation as it is."""

    def load(self, module: GenerativeModule) -> None:
        """Load nothing."""
