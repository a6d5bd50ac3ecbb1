"""Where an adapter goes: site names to submodules."""

from __future__ import annotations

import re
from collections.abc import Sequence

from torch import nn

from disco.core.module import GenerativeModule
from disco.errors import DiscoError


def find_sites(module: GenerativeModule, sites: Sequence[str]) -> list[str]:
    """Return the names of the linear layers and embeddings that the site names stand for.

    Raises:
        DiscoError: a site that the model does not have, or one that matches nothing.
    """
    found: list[str] = []
    for site in sites:
        if site not in module.sites:
            raise DiscoError(
                f"adapter.sites: {type(module).__name__} has no site '{site}'",
                do=f"choose from {', '.join(sorted(module.sites))}",
            )
        pattern = re.compile(module.sites[site])
        names = [
            name
            for name, part in module.named_modules()
            if isinstance(part, nn.Linear | nn.Embedding) and pattern.fullmatch(name)
        ]
        if not names:
            raise DiscoError(f"adapter.sites: '{site}' matches no layer of this model", do="leave it out")
        found += [name for name in names if name not in found]
    return found
