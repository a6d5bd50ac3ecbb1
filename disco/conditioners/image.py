"""A picture, read by a small vision transformer that is trained along with the music."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from disco.conditioners.listener import Listener
from disco.core.batch import Conditions
from disco.core.contracts import Context
from disco.core.given import Picture
from disco.core.pictures import read_picture
from disco.core.ranges import PositiveInt, Share


class VisionTransformer(Listener):
    """Says one vector per patch and one of the whole, to be attended to (Dosovitskiy et al. 2021).

    At generation it is given as `image=cover.png`.

    Args:
        size: pixels per side that pictures are brought to; patch: pixels per side of a patch.
    """

    hears = "image"

    def __init__(
        self,
        *,
        width: PositiveInt,
        size: PositiveInt,
        patch: PositiveInt,
        depth: PositiveInt,
        heads: PositiveInt,
        dropout: Share,
    ) -> None:
        super().__init__(dropout=dropout)
        if size % patch:
            raise ValueError(f"pictures of {size} pixels cannot be cut into patches of {patch}")
        self.size = size
        self.patches = nn.Conv2d(3, width, patch, stride=patch)
        self.whole = nn.Parameter(torch.randn(width) * width**-0.5)
        self.place_embedding = nn.Parameter(torch.randn((size // patch) ** 2, width) * width**-0.5)
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)

    def forward(self, conditions: Conditions, frames: int, frame_rate: float) -> Context:
        """Return the vectors of each item; an item without a picture says nothing."""
        heard, place = self.heard(conditions), self.whole.device
        grey = torch.full((3, self.size, self.size), 0.5)
        pixels = torch.stack([grey if one is None else fitted(one.pixels, self.size) for one in heard])
        seen = self.patches(pixels.to(self.whole) * 2 - 1).flatten(2).mT + self.place_embedding
        seen = torch.cat([self.whole.expand(len(seen), 1, -1), seen], 1)
        said = self.norm(self.layers(seen))
        mask = torch.tensor([one is not None for one in heard], device=place)[:, None].expand(said.shape[:2])
        return Context(cross=said * mask[..., None], cross_mask=mask)

    def understand(self, words: str, *, tempo_bpm: float) -> Picture:
        """Read a picture file."""
        return read_picture(words)


def fitted(pixels: Float[Tensor, "3 h w"], size: int) -> Float[Tensor, "3 s s"]:
    """Return the square in the middle of a picture, brought to a size."""
    side = min(pixels.shape[1:])
    top, left = ((edge - side) // 2 for edge in pixels.shape[1:])
    square = pixels[:, top : top + side, left : left + side][None].float()
    return F.interpolate(square, (size, size), mode="bilinear", antialias=True, align_corners=False)[0]
