"""What adapting cost the base: its measures before and after, and when that is too much."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from disco.errors import DiscoError

_SMALLEST = 1e-9  # of a value that changes are counted in shares of


@dataclass(frozen=True)
class Delta:
    """One measure before and after adaptation.

    Attributes:
        loss: by how much it got worse, as a share of what it was; negative where it got better.
    """

    measure: str
    before: float
    after: float
    loss: float


def deltas(
    before: Mapping[str, float],
    after: Mapping[str, float],
    *,
    higher_is_better: Mapping[str, bool | None],
    real: Mapping[str, float] | None = None,
) -> list[Delta]:
    """Compare two score tables of the same music, asked of the base before and after it was adapted.

    Args:
        before: measure to value, of the base.
        after: the same once it was adapted.
        higher_is_better: for each measure; one where None stands is best at its value in `real`, and left
            out where that has none.
        real: the measures of real music.

    Returns:
        What got worse most first.

    Raises:
        DiscoError: a measure is missing, or is not a number.
    """
    rows = []
    for name, higher in higher_is_better.items():
        if higher is None and name not in (real or {}):
            continue
        old, new = (_defined(table, name) for table in (before, after))
        if higher is None:
            best = _defined(real or {}, name)
            loss = (abs(new - best) - abs(old - best)) / max(abs(best), _SMALLEST)
        else:
            loss = (old - new if higher else new - old) / max(abs(old), _SMALLEST)
        rows.append(Delta(name, old, new, loss))
    return sorted(rows, key=lambda row: (-row.loss, row.measure))


def refuse_forgetting(rows: Sequence[Delta], *, most: float) -> None:
    """Pass where no measure lost more than `most`, a share of what it was.

    Raises:
        DiscoError: names each measure that did.
    """
    lost = [row for row in rows if row.loss > most]
    if lost:
        said = ", ".join(
            f"{row.measure} {row.before:.3g} → {row.after:.3g} ({row.loss:+.0%})" for row in lost
        )
        raise DiscoError(
            f"adapting made the base forget: {said}",
            do=f"rehearse old music, use a smaller adapter, or allow more than {most:.0%}",
        )


def mean_forgetting(scores: Float[np.ndarray, "n n"]) -> float:
    """Return how far each task fell below its best, mean over all tasks but the last (Chaudhry et al. 2018).

    Args:
        scores: row i holds the scores on all tasks after learning task i; higher is better.
    """
    if len(scores) < 2:
        return 0.0
    best = scores[:-1, :-1].max(0)
    return float((best - scores[-1, :-1]).mean())


def backward_transfer(scores: Float[np.ndarray, "n n"]) -> float:
    """Return how learning on changed each earlier task since it was learnt (Lopez-Paz and Ranzato 2017).

    Negative is forgetting. Rows as in `mean_forgetting`.
    """
    if len(scores) < 2:
        return 0.0
    return float((scores[-1, :-1] - np.diagonal(scores)[:-1]).mean())


def _defined(table: Mapping[str, float], name: str) -> float:
    value = table.get(name)
    if value is None or not np.isfinite(value):
        raise DiscoError(
            f"forgetting compares '{name}', which is {'missing' if value is None else 'not a number'}",
            do="measure both models with the same metrics on the same music",
        )
    return float(value)
