"""Parameter groups: what decays, and how fast each parameter moves beside the peak rate."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

from torch import nn

from disco.core.sites import Rows, Site
from disco.errors import DiscoError

LAYER = re.compile(r"(.*?\b(?:layers|blocks))\.(\d+)\.")
LOOKED_UP = ("embedding", "prompt", "prefix")  # vectors that are read out, never multiplied by an input


@dataclass(frozen=True, kw_only=True)
class Group:
    """Parameters that move alike.

    Attributes:
        named: full name to parameter.
        decays: weight decay pulls them to zero.
        factor: of the peak rate.
    """

    named: Mapping[str, nn.Parameter]
    decays: bool
    factor: float


def parameter_groups(
    module: nn.Module, *, layer_decay: float, site_rates: Mapping[str, float]
) -> list[Group]:
    """Group what requires gradients; the fastest group comes first, decaying ones before others.

    Rates differ only in a module that knows its `sites`; critics move at the peak rate.

    Args:
        module: whose parameters they are.
        layer_decay: factor per layer below the last of its stack; embeddings lie below the first layer.
        site_rates: factor by site name; a parameter that belongs to several takes their product.

    Raises:
        DiscoError: a site is unknown, shares its weights, or holds nothing that moves.
    """
    every = dict(module.named_parameters())
    moving = {name: p for name, p in every.items() if p.requires_grad}
    sites: Mapping[str, Site] | None = getattr(module, "sites", None)
    if sites is None:
        layer_decay, site_rates, sites = 1.0, {}, {}
    depths = _depths(every)
    patterns = {site: _pattern(site, sites) for site in site_rates}
    for site, pattern in patterns.items():
        if not any(_within(name, pattern) for name in moving):
            raise DiscoError(f"optim.site_rates: nothing moves at '{site}'", do="leave it out")

    members: dict[tuple[float, bool], dict[str, nn.Parameter]] = {}
    for name, parameter in moving.items():
        rates = [rate for site, rate in site_rates.items() if _within(name, patterns[site])]
        factor = layer_decay ** depths.get(name, 0) * math.prod(rates)
        members.setdefault((factor, decays(name, parameter)), {})[name] = parameter
    return [
        Group(named=named, decays=decaying, factor=factor)
        for (factor, decaying), named in sorted(members.items(), key=lambda item: item[0], reverse=True)
    ]


def decays(name: str, parameter: nn.Parameter) -> bool:
    """Tell whether a parameter is a matrix; norms, biases, gains and embeddings are none."""
    longer = sum(size > 1 for size in parameter.shape)
    gain = parameter.ndim > 2 and longer < 2  # the length of a weight-normalised kernel, a gate per head
    return parameter.ndim > 1 and not gain and not is_looked_up(name)


def is_looked_up(name: str) -> bool:
    """Tell whether a parameter is a table of vectors."""
    return any(word in name for word in LOOKED_UP)


def in_a_layer(name: str) -> bool:
    """Tell whether a parameter belongs to a numbered layer."""
    return LAYER.match(name) is not None


def _depths(named: Mapping[str, nn.Parameter]) -> dict[str, int]:
    """Count the layers between a parameter and the last layer of its stack."""
    places = {name: (found[1], int(found[2])) for name in named if (found := LAYER.match(name))}
    stacks: dict[str, set[int]] = {}
    for stack, number in places.values():
        stacks.setdefault(stack, set()).add(number)
    depths = {
        name: sum(other > number for other in stacks[stack]) for name, (stack, number) in places.items()
    }
    deepest = max((len(numbers) for numbers in stacks.values()), default=0)
    return {**depths, **{name: deepest for name in named if name not in places and is_looked_up(name)}}


def _pattern(site: str, sites: Mapping[str, Site]) -> str:
    if site not in sites:
        close = difflib.get_close_matches(site, sites, n=1, cutoff=0.5)
        known = ", ".join(sorted(sites)) or "none"
        raise DiscoError(
            f"optim.site_rates: this model has no site '{site}'; its sites are {known}",
            do=f"did you mean '{close[0]}'?" if close else "choose one of these",
        )
    pattern = sites[site]
    if isinstance(pattern, Rows):
        raise DiscoError(
            f"optim.site_rates: '{site}' is a part of a weight, and a weight has one rate", do="leave it out"
        )
    return pattern


def _within(name: str, pattern: str) -> bool:
    owners = accumulate(name.split(".")[:-1], lambda path, part: f"{path}.{part}")
    return any(re.fullmatch(pattern, owner) for owner in owners)
