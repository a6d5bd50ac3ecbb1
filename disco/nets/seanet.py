"""SEANet (Tagliasacchi et al. 2020) as in EnCodec: strided convolutions on the wave and an LSTM."""

import math

from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from disco.nets.decoded import Decoded, Decoder


class SeanetEncoder(nn.Module):
    """Halves time and doubles channels until a frame is one vector.

    Args:
        channels: of the audio.
        filters: channels of the first layer.
        ratios: strides from the decoder's side, so `[8, 5, 4, 4]` begins with 4; their product is the hop.
        kernel: samples that the first and last layer see.
        residual_kernel: samples that the residual units see.
        lstm: layers of the recurrent part; 0 leaves it out.
        latent: width of what comes out.
    """

    def __init__(
        self,
        *,
        channels: int,
        filters: int,
        ratios: list[int],
        kernel: int,
        residual_kernel: int,
        lstm: int,
        latent: int,
    ) -> None:
        super().__init__()
        width = filters
        layers: list[nn.Module] = [Conv(channels, width, kernel, 1)]
        for ratio in reversed(ratios):
            layers += [Residual(width, residual_kernel), nn.ELU(), Conv(width, 2 * width, 2 * ratio, ratio)]
            width *= 2
        layers += [Recurrent(width, lstm)] if lstm else []
        layers += [nn.ELU(), Conv(width, latent, kernel, 1)]
        self.hop = math.prod(ratios)
        self.layers = nn.Sequential(*layers)

    def forward(self, wave: Float[Tensor, "b c t"], counts: Bool[Tensor, "b f"]) -> Float[Tensor, "b d f"]:
        """Return one latent per frame; padding of a batch is heard as silence.

        Raises:
            ValueError: the strides do not make the hop of the frames in `counts`.
        """
        if wave.shape[-1] != counts.shape[-1] * self.hop:
            raise ValueError(
                f"strides of {self.hop} samples do not cut {wave.shape[-1]} samples "
                f"into {counts.shape[-1]} frames"
            )
        return self.layers(wave)


class SeanetDecoder(Decoder):
    """The encoder's mirror; arguments as there."""

    offers = frozenset({"wave", "reference"})

    def __init__(
        self,
        *,
        channels: int,
        filters: int,
        ratios: list[int],
        kernel: int,
        residual_kernel: int,
        lstm: int,
        latent: int,
    ) -> None:
        super().__init__()
        width = filters * 2 ** len(ratios)
        layers: list[nn.Module] = [Conv(latent, width, kernel, 1)]
        layers += [Recurrent(width, lstm)] if lstm else []
        for ratio in ratios:
            layers += [nn.ELU(), Upsample(width, width // 2, ratio), Residual(width // 2, residual_kernel)]
            width //= 2
        self.layers = nn.Sequential(*layers, nn.ELU(), Conv(width, channels, kernel, 1))

    def forward(
        self, latent: Float[Tensor, "b d f"], counts: Bool[Tensor, "b f"], wave: Float[Tensor, "b c t"]
    ) -> Decoded:
        """Return the sound."""
        return Decoded(wave=self.synthesise(latent))

    def synthesise(self, latent: Float[Tensor, "b d f"]) -> Float[Tensor, "b c t"]:
        """Return the sound."""
        return self.layers(latent).float()


class Conv(nn.Module):
    """A weight-normalised convolution that gives `t / stride` steps and reflects at the ends."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = weight_norm(nn.Conv1d(inputs, outputs, kernel, stride))
        self.right = (kernel - stride) // 2
        self.left = kernel - stride - self.right

    def forward(self, x: Float[Tensor, "b i t"]) -> Float[Tensor, "b o s"]:
        """Convolve; a clip too short to be reflected is first extended by silence."""
        short = max(0, max(self.left, self.right) + 1 - x.shape[-1])
        padded = F.pad(F.pad(x, (0, short)), (self.left, self.right), mode="reflect")
        return self.conv(padded[..., : padded.shape[-1] - short])


class Upsample(nn.Module):
    """A weight-normalised transposed convolution that gives `t * stride` steps."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv = weight_norm(nn.ConvTranspose1d(inputs, outputs, 2 * stride, stride))
        self.stride = stride

    def forward(self, x: Float[Tensor, "b i t"]) -> Float[Tensor, "b o s"]:
        """Convolve and trim what sticks out."""
        left = self.stride - self.stride // 2
        return self.conv(x)[..., left : left + x.shape[-1] * self.stride]


class Residual(nn.Module):
    """Adds what a narrow pair of convolutions makes of its input."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ELU(), Conv(width, width // 2, kernel, 1), nn.ELU(), Conv(width // 2, width, 1, 1)
        )

    def forward(self, x: Float[Tensor, "b d t"]) -> Float[Tensor, "b d t"]:
        """Return the sum."""
        return x + self.layers(x)


class Recurrent(nn.Module):
    """Adds what an LSTM remembers."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, width, depth, batch_first=True)

    def forward(self, x: Float[Tensor, "b d f"]) -> Float[Tensor, "b d f"]:
        """Return the sum."""
        remembered, _ = self.lstm(x.mT)
        return x + remembered.mT
