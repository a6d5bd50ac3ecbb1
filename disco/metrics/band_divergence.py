"""Where in the spectrum the energy lies, against where it lies in real music."""

from disco.core.embedder import Embedder
from disco.core.ranges import PositiveInt
from disco.metrics.divergence import Divergence


class BandDivergence(Divergence):
    """`Divergence` between mean shares of energy per band; level does not matter, colour alone does.

    Args:
        embedder: gives each window its share of energy per band: `embedder=bands`.
        min_windows: with fewer on a side the metric refuses to answer.
    """

    def __init__(self, *, embedder: Embedder, min_windows: PositiveInt) -> None:
        super().__init__(embedder=embedder, min_windows=min_windows)
