"""What adapting cost the base: its measures before and after, and when that is too much."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from disco.errors import DiscoError

_LEAST = 0.1  # shares, errors and distances below it are close to nothing: a change is counted against it


@dataclass(frozen=True)
class Delta:
    """One measure before and after adaptation.

    Attributes:
        before, after: its values; `after` is None where it cannot be measured any more.
        loss: by how much it got worse, as a share of what it was; negative where it got better.
        sure: the takes do not merely differ by chance, as far as that can be told.
    """

    measure: str
    before: float
    after: float | None
    loss: float
    sure: bool = True


def deltas(
    before: Mapping[str, float],
    after: Mapping[str, float],
    *,
    higher_is_better: Mapping[str, bool | None],
    real: Mapping[str, float],
    chance: Sequence[str] = (),
) -> list[Delta]:
    """Compare two score tables of the same music, asked of the base before and after it was adapted.

    Args:
        before: measure to value, of the base.
        after: the same once it was adapted; what lacks there was lost altogether.
        higher_is_better: for each measure of `before`; one where None stands is best at its value in
            `real`, and left out where that has none.
        real: the measures of real music.
        chance: measures whose difference may be chance.

    Returns:
        What got worse most first.
    """
    rows = []
    for name, old in before.items():
        higher, new = higher_is_better[name], after.get(name)
        if higher is None and name not in real:
            continue
        if new is None:
            loss = math.inf
        elif higher is None:
            loss = (abs(new - real[name]) - abs(old - real[name])) / max(abs(real[name]), _LEAST)
        else:
            loss = (old - new if higher else new - old) / max(abs(old), _LEAST)
        rows.append(Delta(name, old, new, loss, sure=name not in chance))
    return sorted(rows, key=lambda row: (-row.loss, row.measure))


def refuse_forgetting(rows: Sequence[Delta], *, most: float) -> None:
    """Pass where no measure surely lost more than `most`, a share of what it was.

    Raises:
        DiscoError: names each measure that did.
    """
    lost = [row for row in rows if row.sure and row.loss > most]
    if lost:
        said = ", ".join(
            f"{row.measure} {row.before:.3g} → "
            + ("not to be measured" if row.after is None else f"{row.after:.3g} ({row.loss:+.0%})")
            for row in lost
        )
        raise DiscoError(
            f"adapting made the base forget: {said}",
            do=f"rehearse old music, adapt less, or allow more than metric.forgetting.most={most:g}",
        )


def backward_transfer(learnt: Sequence[float], now: Sequence[float]) -> float:
    """Return how learning on changed each earlier task since it was learnt (Lopez-Paz, Ranzato 2017).

    Args:
        learnt: the score on each earlier task just after it was learnt; higher is better.
        now: the same after the last one was learnt.

    Returns:
        Their mean difference; negative is forgetting.
    """
    gains = [new - old for old, new in zip(learnt, now, strict=True)]
    return math.fsum(gains) / len(gains)
