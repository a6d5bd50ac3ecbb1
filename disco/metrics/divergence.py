"""How unlike two distributions are: over frequency bands, over tags, over anything that is counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from disco.metrics.embedded import Embedded, Heard, joined

LEAST = (
    1e-9  # a share that nothing falls below, so that what one side lacks costs much and not infinitely much
)


class Divergence(Embedded):
    """Compares what the two sides hold on average, each window counting once.

    * `…/js`: Jensen-Shannon divergence, from 0 to ln 2 = 0.69 nats, the same in both directions.
    * `…/kl_made_reference`: Kullback-Leibler divergence KL(made ‖ reference) in nats, large where something
      is made that the reference lacks; `…/kl_reference_made`: the other direction, large where something of
      the reference is not made.
    """

    better: ClassVar[Mapping[str, bool | None]] = {
        "js": False,
        "kl_made_reference": False,
        "kl_reference_made": False,
    }

    def compare(self, made: list[Heard], reference: list[Heard]) -> dict[str, float]:
        """Compare two sets of takes, whose points are shares of something."""
        p, q = (distribution(joined(side).mean(0)) for side in (made, reference))
        return {
            "js": jensen_shannon(p, q),
            "kl_made_reference": kullback_leibler(p, q),
            "kl_reference_made": kullback_leibler(q, p),
        }


def distribution(amounts: Float[np.ndarray, " d"]) -> Float[np.ndarray, " d"]:
    """Return amounts as shares of their sum, none below `LEAST`.

    Raises:
        ValueError: an amount is negative.
    """
    if (amounts < 0).any():
        raise ValueError("a distribution is made of amounts, and one of these is negative")
    whole = amounts.sum()
    shares = amounts / whole if whole > 0 else np.full(len(amounts), 1 / len(amounts))
    shares = np.maximum(shares, LEAST)
    return shares / shares.sum()


def kullback_leibler(p: Float[np.ndarray, " d"], q: Float[np.ndarray, " d"]) -> float:
    """Return KL(p ‖ q) in nats; not symmetric. What p lacks costs nothing."""
    held = p > 0
    return max(0.0, float((p[held] * np.log(p[held] / q[held])).sum()))


def jensen_shannon(p: Float[np.ndarray, " d"], q: Float[np.ndarray, " d"]) -> float:
    """Return the mean divergence of p and q from their mean, in nats."""
    middle = (p + q) / 2
    return (kullback_leibler(p, middle) + kullback_leibler(q, middle)) / 2
