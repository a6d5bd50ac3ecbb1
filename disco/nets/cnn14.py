"""CNN14 of PANNs: a convolutional network trained on AudioSet (Kong et al. 2020, arXiv 1912.10211)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

BANDS = 64
WIDTHS = (64, 128, 256, 512, 1024, 2048)


class Block(nn.Module):
    """Two convolutions; names are those of the published weights."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.bn2 = nn.BatchNorm2d(outputs)

    def forward(self, x: Float[Tensor, "b c f m"], pool: int) -> Float[Tensor, "b d ff mm"]:
        """Convolve twice, then average over squares of `pool`."""
        y = F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))
        return F.avg_pool2d(y, pool)


class Cnn14(nn.Module):
    """Log-mel spectra in dB to 2048 values.

    Args:
        widths: channels of the six blocks.
    """

    def __init__(self, *, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.bn0 = nn.BatchNorm2d(BANDS)
        for index, (inputs, outputs) in enumerate(zip((1, *widths[:-1]), widths, strict=True), 1):
            self.add_module(f"conv_block{index}", Block(inputs, outputs))
        self.count = len(widths)
        self.fc1 = nn.Linear(widths[-1], widths[-1])

    def forward(self, mel_db: Float[Tensor, "b f 64"]) -> Float[Tensor, "b d"]:
        """Return the layer before the classes."""
        x = self.bn0(mel_db[..., None].transpose(1, 2)).permute(0, 3, 2, 1)
        for index in range(1, self.count + 1):
            x = self.get_submodule(f"conv_block{index}")(x, 2 if index < self.count else 1)
        x = x.mean(-1)
        return torch.relu(self.fc1(x.amax(-1) + x.mean(-1)))
