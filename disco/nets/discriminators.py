"""Critics of sound: networks that learn to tell made music from real music."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from disco.nets.spectral import Stft

Verdict = tuple[Tensor, list[Tensor]]  # scores per place, and what each layer saw


class StftCritic(nn.Module):
    """Judges the complex spectrum through one window, place by place."""

    def __init__(self, *, window: int, filters: int) -> None:
        super().__init__()
        self.stft = Stft(size=window, hop=window // 4)
        layers = [_conv(2, filters, (3, 9), (1, 1), 1)]
        layers += [_conv(filters, filters, (3, 9), (1, 2), dilation) for dilation in (1, 2, 4)]
        layers += [_conv(filters, filters, (3, 3), (1, 1), 1)]
        self.layers = nn.ModuleList(layers)
        self.last = _conv(filters, 1, (3, 3), (1, 1), 1)

    def forward(self, wave: Float[Tensor, "rows t"]) -> Verdict:
        """Return scores, high for music taken as real, and the layers' activations."""
        spectrum = self.stft(wave) * self.stft.size**0.5  # about unit size for music
        x = torch.view_as_real(spectrum).permute(0, 3, 2, 1)
        seen = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
            seen.append(x)
        return self.last(x), seen


class MultiStftCritic(nn.Module):
    """The same critic at several window lengths (Défossez et al. 2022, EnCodec, section 3.4).

    Args:
        windows: samples per window, one critic each.
        filters: channels of every layer.
    """

    def __init__(self, *, windows: list[int], filters: int) -> None:
        super().__init__()
        self.critics = nn.ModuleList(StftCritic(window=window, filters=filters) for window in windows)

    def forward(self, wave: Float[Tensor, "b c t"]) -> list[Verdict]:
        """Return one verdict per window; channels are judged one by one."""
        rows = wave.flatten(0, 1)
        return [critic(rows) for critic in self.critics]


def _conv(
    inputs: int, outputs: int, kernel: tuple[int, int], stride: tuple[int, int], dilation: int
) -> nn.Module:
    padding = (dilation * (kernel[0] - 1) // 2, (kernel[1] - 1) // 2)
    return weight_norm(nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation=(dilation, 1)))
