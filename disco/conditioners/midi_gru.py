"""Notes read by a recurrent network, both ways: the other reader of `midi.py`."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor, nn

from disco.core.ranges import PositiveInt


class RecurrentReader(nn.Module):
    """A gated recurrent network that reads both ways."""

    def __init__(self, *, width: PositiveInt, depth: PositiveInt) -> None:
        super().__init__()
        self.layers = nn.GRU(width, width // 2, depth, batch_first=True, bidirectional=True)

    def forward(self, events: Float[Tensor, "b n d"], counts: Bool[Tensor, "b n"]) -> Float[Tensor, "b n d"]:
        """Return the events, each in the light of the others."""
        lengths = counts.sum(1).clamp(min=1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(events, lengths, batch_first=True, enforce_sorted=False)
        read, _ = self.layers(packed)
        padded, _ = nn.utils.rnn.pad_packed_sequence(read, batch_first=True, total_length=events.shape[1])
        return events + padded
