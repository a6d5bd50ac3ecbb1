"""VGGish: the convolutional network on whose outputs Fréchet audio distances began (Hershey et al. 2017)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

BANDS, FRAMES = 64, 96
_CHANNELS = ((64,), (128,), (256, 256), (512, 512))


class Vggish(nn.Module):
    """Log-mel patches of 0.96 s to 128 values; names and shapes are those of the PyTorch weights."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 1
        for block in _CHANNELS:
            for channels in block:
                layers += [nn.Conv2d(before, channels, 3, padding=1), nn.ReLU()]
                before = channels
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        flat = before * (FRAMES // 16) * (BANDS // 16)
        self.embeddings = nn.Sequential(
            nn.Linear(flat, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 128)
        )

    def forward(self, mel: Float[Tensor, "b 96 64"]) -> Float[Tensor, "b 128"]:
        """Return the last layer, without its rectifier and without the PCA of the published pipeline."""
        found = self.features(mel[:, None])
        return self.embeddings(
            torch.movedim(found, 1, -1).flatten(1)
        )  # time, band, channel, as in TensorFlow
