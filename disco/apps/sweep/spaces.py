"""Search spaces from ordinary override words: `optim.lr='tag(log, interval(1e-5,1e-2))'`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep

from disco.errors import DiscoError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution  # pyright: ignore[reportMissingImports]


def split(overrides: Sequence[Override]) -> tuple[list[str], dict[str, BaseDistribution]]:
    """Return the words that hold for every point, and a distribution for each key that is searched.

    Raises:
        DiscoError: a space is empty, or the search knows no such words.
    """
    fixed: dict[str, str] = {}
    space: dict[str, BaseDistribution] = {}
    for override in overrides:
        key = override.get_key_element()
        fixed.pop(key, None)
        space.pop(key, None)  # what comes later wins
        if override.is_delete():
            fixed[key] = override.input_line or key
        elif override.is_sweep_override():
            space[key] = _distribution(override)
        else:
            fixed[key] = f"{key}={override.get_value_element_as_str()}"
    return list(fixed.values()), space


def words_for(fixed: Sequence[str], params: Mapping[str, Any]) -> list[str]:
    """Return the words of one point."""
    return [*fixed, *(f"{key}={value}" for key, value in params.items())]


def _distribution(override: Override) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution  # pyright: ignore[reportMissingImports]

    sweep = override.value()
    try:
        if isinstance(sweep, IntervalSweep):
            start, end, log = sweep.start, sweep.end, "log" in sweep.tags
            assert start is not None
            assert end is not None
            if isinstance(start, int) and isinstance(end, int):  # int(interval(…)), or whole bounds
                return IntDistribution(start, end, log=log)
            return FloatDistribution(float(start), float(end), log=log)
        if isinstance(sweep, RangeSweep):
            return _stepped(sweep)
        if isinstance(sweep, ChoiceSweep) or override.is_discrete_sweep():
            return CategoricalDistribution(list(override.sweep_string_iterator()))
    except ValueError as error:
        raise DiscoError(f"{override.input_line}: {error}", do="give the lower bound first") from error
    raise DiscoError(
        f"{override.input_line}: this cannot be searched", do="give interval(…), range(…) or choice(…)"
    )


def _stepped(sweep: RangeSweep) -> BaseDistribution:
    """Return the steps of a range, whose end, as everywhere in Hydra, is not one of them."""
    from optuna.distributions import FloatDistribution, IntDistribution  # pyright: ignore[reportMissingImports]

    start, stop, step = sweep.start or 0, sweep.stop, sweep.step
    if stop is None or step <= 0 or stop <= start:
        raise ValueError("the range is empty or runs downwards")
    whole = isinstance(start, int) and isinstance(stop, int) and isinstance(step, int)
    if whole:
        return IntDistribution(
            int(start), int(stop) - 1 - (int(stop) - 1 - int(start)) % int(step), step=int(step)
        )
    steps = -(-(stop - start - 1e-12) // step) - 1
    return FloatDistribution(float(start), float(start + steps * step), step=float(step))
