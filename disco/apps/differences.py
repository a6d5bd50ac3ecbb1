"""Two evaluations: the differences of their measures, and which of them are more than chance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from disco.apps.cells import CONFIDENCE, RESAMPLES
from disco.apps.scores import Found, Sample
from disco.metrics.resampling import holm, mean_interval, sign_flip

FEWEST = 6  # pairs: with fewer not even takes that all differ in one direction are beyond chance at 5 %


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What the second evaluation has more than the first.

    Attributes:
        pairs: takes that it was told from; 0 where only the two values are known.
        p_value: by sign flips, adjusted for all measures that were asked at once; None without pairs.
        claimed: the difference is more than chance at the asked level.
        better: the second is better; None where neither direction is, or nothing is claimed.
    """

    value: float
    low: float | None = None
    high: float | None = None
    pairs: int = 0
    p_value: float | None = None
    claimed: bool = False
    better: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One evaluation beside another.

    Attributes:
        names: of the two.
        sentences: what can be claimed, and what cannot.
    """

    names: tuple[str, str]
    differences: Mapping[str, Difference]
    sentences: Sequence[str]


def compare(first: Found, second: Found, names: tuple[str, str], *, system: str, level: float) -> Compared:
    """Hold the same system of two evaluations beside each other.

    Takes pair where both were asked for the same: same number or name, same caption, and the same real
    music where there is any. `level` is how often, at most, any difference is claimed where there is none.
    """
    pairs = pair_up(first.samples, second.samples, system)
    rows, others = first.systems[system], second.systems[system]
    common = [name for name in rows if name in others]
    unlike = [name for name in common if not same_measure(first, second, name)]
    found: dict[str, Difference] = {}
    for name in common:
        if name not in unlike:
            means = all(is_mean(one, system, name) for one in (first, second))
            value = others[name].value - rows[name].value
            found[name] = _difference(value, name, pairs if means else [])
    asked = [name for name, one in found.items() if one.p_value is not None]
    for name, p_value in zip(asked, holm([found[name].p_value or 0.0 for name in asked]), strict=True):
        claimed = p_value <= level
        way = rows[name].higher_is_better
        better = None if way is None or not claimed else (found[name].value > 0) == way
        found[name] = replace(found[name], p_value=p_value, claimed=claimed, better=better)
    uneven = [name for name in found if name not in asked and rows[name].takes != others[name].takes]
    sentences = _sentences(found, unlike, names, len(pairs), level)
    if uneven:
        sentences.append(
            f"{_list(uneven)} are over {rows[uneven[0]].takes} and {others[uneven[0]].takes} takes: "
            "a distance between sets falls, and an extreme grows, with their number. Make as many of both, "
            "or read what is extrapolated (…/infinity)."
        )
    return Compared(names=names, differences=found, sentences=sentences)


def pair_up(first: Sequence[Sample], second: Sequence[Sample], system: str) -> list[tuple[Sample, Sample]]:
    """Return the takes of two evaluations that were asked for the same."""

    def table(samples: Sequence[Sample]) -> dict[tuple[str, str | None], Sample]:
        return {(one.pair, one.caption): one for one in samples if one.system == system}

    mine, theirs = table(first), table(second)
    both = sorted((key for key in mine if key in theirs), key=repr)
    found = [(mine[key], theirs[key]) for key in both]
    return [(a, b) for a, b in found if None in (a.reference, b.reference) or a.reference == b.reference]


def same_measure(first: Found, second: Found, name: str) -> bool:
    """Say whether a number means the same in both: the same settings of its metric, the same real music."""
    metric = name.partition("/")[0]
    keys = [one.settings.get("metrics", {}).get(metric) for one in (first, second)]
    references = [one.settings.get("reference") for one in (first, second)]
    return keys[0] == keys[1] and references[0] == references[1]


def is_mean(found: Found, system: str, name: str) -> bool:
    """Say whether a value is the mean of its takes'; a largest peak or a distance between sets is not."""
    values = [one.values[name] for one in found.samples if one.system == system and name in one.values]
    if not values:
        return False
    return math.isclose(float(np.mean(values)), found.systems[system][name].value, rel_tol=1e-8, abs_tol=1e-9)


def _difference(value: float, name: str, pairs: Sequence[tuple[Sample, Sample]]) -> Difference:
    known = [(a.values[name], b.values[name]) for a, b in pairs if name in a.values and name in b.values]
    if len(known) < 2:
        return Difference(value=value)
    mine, theirs = (np.array(side) for side in zip(*known, strict=True))
    apart = theirs - mine
    low, high = mean_interval(apart, resamples=RESAMPLES, confidence=CONFIDENCE)
    return Difference(
        value=float(apart.mean()), low=low, high=high, pairs=len(known), p_value=sign_flip(apart)
    )


def _sentences(
    found: Mapping[str, Difference],
    unlike: Sequence[str],
    names: tuple[str, str],
    pairs: int,
    level: float,
) -> list[str]:
    first, second = names
    asked = [name for name, one in found.items() if one.p_value is not None]
    told: list[str] = []
    for words, wanted in (
        (f"{second} is better than {first}", True),
        (f"{first} is better than {second}", False),
    ):
        named = [name for name in asked if found[name].claimed and found[name].better is wanted]
        if named:
            told.append(
                f"{words} by {_list(named)}: more than chance on {pairs} paired takes ({level:.0%} level)."
            )
    changed = [name for name in asked if found[name].claimed and found[name].better is None]
    if changed:
        told.append(
            f"{second} differs from {first} in {_list(changed)}, of which neither direction is better "
            "by itself."
        )
    if not pairs:
        told.append(
            "No takes of the two were asked for the same, so nothing can be claimed from single differences: "
            "evaluate both on the same data, split, count and seconds."
        )
    elif pairs < FEWEST:
        told.append(
            f"{pairs} paired takes cannot show any difference beyond chance; evaluate with a larger count."
        )
    rest = [name for name in asked if not found[name].claimed]
    if rest and pairs >= FEWEST:
        told.append(
            f"Of {_list(rest)} nothing can be claimed: a difference this small comes about by chance, and "
            "that is no proof that there is none."
        )
    bare = [name for name, one in found.items() if one.p_value is None]
    if bare and pairs:
        told.append(
            f"{_list(bare)} are values of whole sets or of takes that do not pair: read them with their own "
            "intervals, and claim nothing where these overlap."
        )
    if unlike:
        told.append(
            f"{_list(unlike)} cannot be compared: measured with other settings, or against other real music."
        )
    return told


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
