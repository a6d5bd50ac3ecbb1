"""What a decoder remembers of the steps so far, and what stands before the first of them.

Letters: `b` batch, `n` vectors of the prefix, `s` new places, `m` all places so far.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int
from torch import Tensor


class Cache:
    """Keys and values of the steps so far, the prefix first; memory is taken once, for `steps` of them."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.length = 0
        self.prefix: Bool[Tensor, "b n"] | None = None  # which of its vectors count
        self.own: dict[int, tuple[Tensor, Tensor]] = {}
        self.cross: dict[int, tuple[Tensor, Tensor]] = {}

    def extend(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Write new keys and values of a layer behind the old ones and return them all.

        Raises:
            ValueError: there is no room left.
        """
        end = self.length + key.shape[2]
        if end > self.steps:
            raise ValueError(f"the cache holds {self.steps} steps, not {end}")
        if layer not in self.own:
            shape = (*key.shape[:2], self.steps, key.shape[3])
            self.own[layer] = (key.new_empty(shape), value.new_empty(shape))
        keys, values = self.own[layer]
        keys[:, :, self.length : end] = key
        values[:, :, self.length : end] = value
        return keys[:, :, :end], values[:, :, :end]


def counted(places: Int[Tensor, "s"], prefix: Bool[Tensor, "b n"]) -> Int[Tensor, "b s"]:
    """Return where each place would stand if the prefix held nothing but what counts."""
    ahead = torch.cat([prefix.cumsum(1) - 1, prefix.sum(1, keepdim=True)], 1).clamp(min=0)
    length = prefix.shape[1]
    return ahead[:, places.clamp(max=length)] + (places - length).clamp(min=0)


def heard_places(places: Int[Tensor, "s"], prefix: Bool[Tensor, "b n"]) -> Bool[Tensor, "b 1 s m"]:
    """Return which places each new one hears: what counts before it, and itself: never nothing."""
    every = torch.arange(int(places[-1]) + 1, device=places.device)
    counts = F.pad(prefix, (0, len(every)), value=True)[:, : len(every)]
    past = (every <= places[:, None]) & counts[:, None] | (every == places[:, None])
    return past[:, None]
