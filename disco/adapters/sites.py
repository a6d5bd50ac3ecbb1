"""Where an adapter goes: site names to submodules, or to rows of shared weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from torch import nn

from disco.core.module import GenerativeModule
from disco.core.sites import Rows
from disco.errors import DiscoError


@dataclass(frozen=True)
class SharedRows:
    """`rows` of the parameter `name` of the submodule `owner`."""

    owner: str
    name: str
    rows: slice


Fits = Callable[[nn.Module], bool]


def default_sites(module: GenerativeModule, kind: str, wants: str) -> tuple[str, ...]:
    """Return the sites that a model names for a kind of adapter, those that this configuration has.

    Args:
        module: the model.
        kind: see `core.sites`.
        wants: what an adapter of this kind needs, in words.

    Raises:
        DiscoError: it names none, or has no such part in this configuration.
    """
    names = [name for name, _ in module.named_modules()]

    def there(pattern: str | Rows) -> bool:
        return isinstance(pattern, Rows) or any(re.fullmatch(pattern, name) for name in names)

    sites = tuple(site for site in module.default_sites.get(kind, ()) if there(module.sites[site]))
    if not sites:
        raise DiscoError(
            f"adapter.sites=default: this {type(module).__name__} has no {wants}",
            do="choose another adapter (full and selective serve every model), or name sites",
        )
    return sites


def find_layers(
    module: GenerativeModule, sites: Sequence[str], layers: Sequence[int | str] | None, fits: Fits
) -> list[str]:
    """Return the names of the submodules that the sites stand for; sites that are rows are passed over.

    Args:
        module: where to look.
        sites: names that the module knows.
        layers: numbers of layers, or ranges such as "0-3"; None takes all. What has no number is taken.
        fits: whether an adapter of this kind can go there.

    Raises:
        DiscoError: a site that the model does not have, or one that matches nothing.
    """
    wanted = None if layers is None else _numbers(layers)
    found: list[str] = []
    for site in sites:
        pattern = _pattern(module, site)
        if isinstance(pattern, Rows):
            continue
        names = [
            name
            for name, part in module.named_modules()
            if re.fullmatch(pattern, name) and fits(part) and _within(name, wanted)
        ]
        if not names:
            raise _nothing(site)
        found += [name for name in names if name not in found]
    return found


def find_rows(
    module: GenerativeModule, sites: Sequence[str], layers: Sequence[int | str] | None
) -> list[SharedRows]:
    """Return the rows of shared weights that the sites stand for; sites that are layers are passed over.

    Raises:
        DiscoError: a site that the model does not have, or one that matches nothing.
    """
    wanted = None if layers is None else _numbers(layers)
    found: list[SharedRows] = []
    for site in sites:
        pattern = _pattern(module, site)
        if not isinstance(pattern, Rows):
            continue
        rows = [row for row in _shared(module, pattern) if _within(row.owner, wanted)]
        if not rows:
            raise _nothing(site)
        found += rows
    return found


def _shared(module: nn.Module, site: Rows) -> Iterator[SharedRows]:
    for name, parameter in module.named_parameters():
        if re.fullmatch(site.pattern, name):
            size = len(parameter) // site.of
            owner, _, leaf = name.rpartition(".")
            yield SharedRows(owner, leaf, slice(site.part * size, (site.part + 1) * size))


def _pattern(module: GenerativeModule, site: str) -> str | Rows:
    if site not in module.sites:
        known = ", ".join(sorted(module.sites)) or "none"
        raise DiscoError(
            f"adapter.sites: {type(module).__name__} has no site '{site}'", do=f"choose from {known}"
        )
    return module.sites[site]


def _nothing(site: str) -> DiscoError:
    return DiscoError(
        f"adapter.sites: '{site}' matches no layer of this model", do="leave it out, or widen adapter.layers"
    )


def _within(name: str, wanted: frozenset[int] | None) -> bool:
    number = re.search(r"(?<=\.)\d+(?=\.|$)", name)
    return wanted is None or number is None or int(number[0]) in wanted


def _numbers(layers: Sequence[int | str]) -> frozenset[int]:
    """Read numbers and ranges, ends included.

    Raises:
        DiscoError: something is neither.
    """
    numbers: set[int] = set()
    for one in layers:
        ends = re.fullmatch(r"(\d+)(?:-(\d+))?", str(one))
        if ends is None:
            raise DiscoError(
                f"adapter.layers: '{one}' is neither a number nor a range", do="write it like [0-3,5]"
            )
        numbers |= set(range(int(ends[1]), int(ends[2] or ends[1]) + 1))
    return frozenset(numbers)
