"""The beat as a clock beside the frames, so that rhythm need not be counted out by the model."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from disco.core.batch import Conditions
from disco.core.contracts import Conditioner, Context
from disco.core.ranges import PositiveInt


class Beats(Conditioner):
    """Says of each frame where it lies within its quarter note and within its bar.

    Both are read from `Conditions.timing`, rounded to a grid, and looked up in a table each; items whose
    timing is unknown read one row of their own.

    Args:
        per_quarter: grid steps within a quarter note; 16 at 120 bpm and 32 frames per second is exact.
        per_quarter_in_bar: grid steps per quarter note of the position within the bar.
        longest_bar: quarter notes; later positions share the last row.
    """

    def __init__(
        self,
        *,
        width: PositiveInt,
        per_quarter: PositiveInt,
        per_quarter_in_bar: PositiveInt,
        longest_bar: PositiveInt,
    ) -> None:
        super().__init__()
        self.per_quarter = per_quarter
        self.per_quarter_in_bar = per_quarter_in_bar
        self.beat_embedding = nn.Embedding(per_quarter + 1, width)
        self.bar_embedding = nn.Embedding(longest_bar * per_quarter_in_bar + 1, width)
        for table in (self.beat_embedding, self.bar_embedding):
            nn.init.normal_(table.weight, std=width**-0.5)

    def forward(self, conditions: Conditions, frames: int, frame_rate: float) -> Context:
        """Return a vector per frame, to be added."""
        place = self.beat_embedding.weight.device
        timing = conditions.timing
        if timing is None:
            timing = torch.full((len(conditions), 3), torch.nan)
        tempo, bar, start = timing.to(place, torch.float64)[:, :, None].unbind(1)
        quarters = start + torch.arange(frames, device=place) / frame_rate * tempo / 60
        beat = self._row(quarters * self.per_quarter, self.per_quarter)
        within = torch.remainder(quarters + 1e-6, bar) * self.per_quarter_in_bar
        last = self.bar_embedding.num_embeddings - 1
        row = torch.where(within.isnan(), 0, 1 + within.nan_to_num().floor().clamp(max=last - 1)).long()
        return Context(added=self.beat_embedding(beat) + self.bar_embedding(row))

    @staticmethod
    def _row(steps: Float[Tensor, "b f"], period: int) -> Tensor:
        """Round to the nearest step of the grid, so that float noise cannot move a frame to its neighbour."""
        return torch.where(steps.isnan(), 0, 1 + torch.remainder(steps.nan_to_num().round(), period)).long()
