"""A picture, read by a frozen CLIP of `transformers`."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from disco.conditioners.image import fitted
from disco.conditioners.listener import Listener
from disco.core.batch import Conditions
from disco.core.contracts import Context
from disco.core.given import Picture
from disco.core.pictures import read_picture
from disco.core.ranges import PositiveInt, Share
from disco.errors import DiscoError

MEAN = (0.48145466, 0.4578275, 0.40821073)  # of the pictures that CLIP was trained on (Radford et al. 2021)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)
MOST_KEPT = 2048  # pictures: 0.3 GB of clip-vit-base-patch32


class ClipImage(Listener):
    """Projects what CLIP's vision tower says of a picture to the model's width, to be attended to.

    The tower is no part of the model: it is neither trained nor saved. It is loaded when the first picture
    is seen, and what it says of a picture is kept in memory. At generation it is given as `image=cover.png`.

    Args:
        name: a local folder or a name on the hub.
        tower_width: of its vectors, 768 for clip-vit-base-patch32.

    Raises:
        DiscoError: when the first picture is seen: it cannot be loaded, or is of another width.
    """

    hears = "image"

    def __init__(self, *, width: PositiveInt, name: str, tower_width: PositiveInt, dropout: Share) -> None:
        super().__init__(dropout=dropout)
        self.project = nn.Linear(tower_width, width)
        self._tower = Tower(name, tower_width)

    def forward(self, conditions: Conditions, frames: int, frame_rate: float) -> Context:
        """Return the vectors of each item; an item without a picture says nothing."""
        heard, weight = self.heard(conditions), self.project.weight
        seen = [None if one is None else self._tower.see(one) for one in heard]
        count = max((len(one) for one in seen if one is not None), default=1)
        silence = torch.zeros(count, self.project.in_features)
        vectors = torch.stack([silence if one is None else one for one in seen]).to(weight)
        told = torch.tensor([one is not None for one in heard], device=weight.device)
        mask = told[:, None].expand(vectors.shape[:2])
        return Context(cross=self.project(vectors) * mask[..., None], cross_mask=mask)

    def understand(self, words: str, *, tempo_bpm: float) -> Picture:
        """Read a picture file."""
        return read_picture(words)


class Tower:
    """A frozen vision tower; a plain object, so that it is not registered as a submodule."""

    def __init__(self, name: str, width: int) -> None:
        self.name = name
        self.width = width
        self._network: Any = None
        self._known: dict[str, Tensor] = {}

    @torch.no_grad()
    def see(self, picture: Picture) -> Float[Tensor, "n e"]:
        """Return a vector of the whole and one per patch."""
        key = hashlib.sha256(picture.pixels.cpu().numpy().tobytes()).hexdigest()
        if key not in self._known:
            self._network = self._network or self._load()
            size = self._network.config.image_size
            mean, deviation = (torch.tensor(one)[:, None, None] for one in (MEAN, DEVIATION))
            pixels = (fitted(picture.pixels.cpu(), size) - mean) / deviation
            with torch.autocast("cpu", enabled=False):
                said = self._network(pixel_values=pixels[None]).last_hidden_state[0]
            if len(self._known) >= MOST_KEPT:
                self._known.pop(next(iter(self._known)))
            self._known[key] = said.float()
        return self._known[key]

    def _load(self) -> Any:
        from transformers import CLIPVisionModel

        try:
            network = CLIPVisionModel.from_pretrained(self.name)
        except (OSError, ValueError) as error:
            raise DiscoError(
                f"the image encoder {self.name} cannot be loaded: {str(error).splitlines()[0]}",
                do="give the path of a folder that holds it, or conditioner=[image], which needs no download",
            ) from error
        if network.config.hidden_size != self.width:
            raise DiscoError(
                f"the image encoder {self.name} is {network.config.hidden_size} wide, not {self.width}",
                do=f"set its tower_width to {network.config.hidden_size}",
            )
        return network.eval().requires_grad_(requires_grad=False)
