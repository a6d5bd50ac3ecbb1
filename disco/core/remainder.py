"""A module without some of its submodules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


class Remainder(torch.nn.Module):
    """What is left of a module, for building an optimiser."""

    def __init__(self, whole: torch.nn.Module, *, without: Sequence[torch.nn.Module]) -> None:
        super().__init__()
        left_out = {id(p) for module in without for p in module.parameters()}
        self.kept = [(name, p) for name, p in whole.named_parameters() if id(p) not in left_out]
        self.sites = getattr(whole, "sites", None)  # for rates by site

    def named_parameters(self, *arguments: Any, **options: Any) -> Any:
        """Yield the kept parameters under their full names."""
        yield from self.kept
