"""What a listener would call the music, against what they would call real music."""

from disco.core.embedder import Embedder
from disco.core.ranges import PositiveInt
from disco.metrics.divergence import Divergence


class TagDivergence(Divergence):
    """`Divergence` between mean tag likelihoods, brought to sum to 1.

    Published KL divergences of music use another tagger and its own pairs of takes: none compares with this.

    Args:
        embedder: gives each window its tags: `embedder=musicnn_tags`.
        min_windows: with fewer on a side the metric refuses to answer.
    """

    def __init__(self, *, embedder: Embedder, min_windows: PositiveInt) -> None:
        super().__init__(embedder=embedder, min_windows=min_windows)
