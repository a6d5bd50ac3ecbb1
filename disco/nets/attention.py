"""Attention with a place for each adapter.

Letters: `b` batch, `s` steps, `n` vectors attended to, `h` heads, `e` width of a head, `d` width.
"""

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from disco.nets.prefix import Prefix


class Attention(nn.Module):
    """Multi-head attention with separate projections, so that adapters find each of them.

    Attributes:
        prefix: where an adapter speaks.
        dropout: chance of each share of a value to be left out of a training pass; with any, CPUs leave
            their fused kernels.
    """

    def __init__(self, *, width: int, heads: int, bias: bool) -> None:
        super().__init__()
        if width % (2 * heads):
            raise ValueError(f"width {width} is not an even number per each of {heads} heads")
        self.heads = heads
        self.head_width = width // heads
        self.prefix: Prefix | None = None
        self.dropout = 0.0
        self.query = nn.Linear(width, width, bias=bias)
        self.key = nn.Linear(width, width, bias=bias)
        self.value = nn.Linear(width, width, bias=bias)
        self.out = nn.Linear(width, width, bias=bias)

    def split(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b h n e"]:
        """Give each head its share of the width."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def attend(
        self,
        query: Float[Tensor, "b h s e"],
        key: Float[Tensor, "b h n e"],
        value: Float[Tensor, "b h n e"],
        mask: Bool[Tensor, "... n"] | None,
        *,
        causal: bool,
    ) -> Float[Tensor, "b s d"]:
        """Average the values by likeness and mix the heads."""
        dropped = self.dropout if self.training else 0.0
        heard = F.scaled_dot_product_attention(query, key, value, mask, dropped, causal)
        if self.prefix is not None:
            heard = heard + self.prefix(query)
        return self.out(heard.transpose(1, 2).flatten(-2))
