"""A codec body that works on short-time spectra: cheap enough for a CPU.

ConvNeXt blocks (Liu et al. 2022) at the codec's frame rate, as in Vocos (Siuzdak 2023): nothing in the
network runs at the rate of the samples. Beside the blocks runs one linear map, where `principal.py` can
start. A decoder ends in a head: `WaveHead` speaks magnitude and phase, `MagnitudeHead` magnitudes
alone, whose phase Griffin-Lim finds.
"""

from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from disco.nets.decoded import Decoded, Decoder
from disco.nets.spectral import Stft, griffin_lim, log_level

LEVEL_FLOOR = 1e-2  # -40 dB: below it principal components spend themselves on what no note needs
LEVEL_SCALE = 0.2  # brings levels of 0 to 9 to what a network likes to read
_START = -7.0  # log magnitude of an untrained wave head: between silence and music
_LOUDEST = 2.0  # log magnitude that a wave head cannot pass; a full-scale sine has 0
_LOUDEST_LEVEL = 7.0  # the same for a magnitude head, above its floor


class ConvNextBlock(nn.Module):
    """Mixes neighbouring frames channel by channel, then channels frame by frame."""

    def __init__(self, *, width: int, kernel: int, expansion: float, scale: float) -> None:
        super().__init__()
        hidden = round(width * expansion)
        self.across = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.grow = nn.Linear(width, hidden)
        self.shrink = nn.Linear(hidden, width)
        self.gain = nn.Parameter(torch.full((width,), scale))

    def forward(self, x: Float[Tensor, "b f d"], counts: Float[Tensor, "b f 1"]) -> Float[Tensor, "b f d"]:
        """Add the mixture; frames that do not count stay zero, as beyond the ends."""
        y = self.norm(self.across(x.mT).mT)
        return (x + self.gain * self.shrink(F.gelu(self.grow(y)))) * counts


class ConvNext(nn.Module):
    """A stack of blocks between two linear maps.

    Args:
        inputs: channels that come in; outputs: channels that go out.
        width: channels inside.
        depth: blocks.
        kernel: frames that each block sees, odd; 1 sees one frame.
        expansion: how many times wider a block is inside.
    """

    def __init__(
        self, *, inputs: int, outputs: int, width: int, depth: int, kernel: int, expansion: float
    ) -> None:
        super().__init__()
        self.enter = nn.Linear(inputs, width)
        self.norm = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(
            ConvNextBlock(width=width, kernel=kernel, expansion=expansion, scale=1.0 / max(1, depth))
            for _ in range(depth)
        )
        self.last = nn.LayerNorm(width)
        self.leave = nn.Linear(width, outputs)

    def forward(self, x: Float[Tensor, "b c f"], counts: Bool[Tensor, "b f"]) -> Float[Tensor, "b o f"]:
        """Return the outputs; frames that do not count touch none that do."""
        keep = counts[..., None].to(x.dtype)
        y = self.norm(self.enter(x.mT)) * keep
        for block in self.blocks:
            y = block(y, keep)
        return self.leave(self.last(y)).mT


class MagnitudeHead(nn.Module):
    """Speaks magnitudes; Griffin-Lim finds the phase when sound is wanted, and never in training.

    Args:
        channels: of the audio.
        hop: samples per frame of the codec.
        window: samples per window of its transform.
        steps: of Griffin-Lim after the first guess; 0 sounds smooth, more are truer to the magnitudes.
        momentum: of Griffin-Lim.
    """

    offers: ClassVar[frozenset[str]] = frozenset({"magnitude", "magnitude_reference"})

    def __init__(
        self,
        *,
        channels: int,
        hop: int,
        window: int,
        steps: int,
        momentum: float,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.stft = Stft(size=window, hop=hop)
        self.inputs = channels * self.stft.bins
        self.steps = steps
        self.momentum = momentum

    def forward(
        self, x: Float[Tensor, "b o f"], counts: Bool[Tensor, "b f"], wave: Float[Tensor, "b c t"]
    ) -> Decoded:
        """Return magnitudes beside the original's; both are 0 where frames do not count."""
        keep = counts.repeat_interleave(self.channels, 0)[:, None]
        reference = self.stft.magnitude(wave.flatten(0, 1))
        return Decoded(magnitude=self.magnitude(x) * keep, magnitude_reference=reference * keep)

    def synthesise(self, x: Float[Tensor, "b o f"]) -> Float[Tensor, "b c t"]:
        """Return sound with these magnitudes."""
        rows = griffin_lim(self.magnitude(x), self.stft, steps=self.steps, momentum=self.momentum)
        return rows.unflatten(0, (-1, self.channels))

    def magnitude(self, x: Float[Tensor, "b o f"]) -> Float[Tensor, "rows bins f"]:
        """Read the network's output as levels above the floor, as `log_level` counts them."""
        rows = x.float().unflatten(1, (self.channels, -1)).flatten(0, 1) / LEVEL_SCALE
        return LEVEL_FLOOR * torch.expm1(F.softplus(rows, beta=4.0).clamp_max(_LOUDEST_LEVEL))


class WaveHead(nn.Module):
    """Speaks magnitude and phase of a short-time spectrum, inverted inside the graph (Vocos).

    Args:
        channels: of the audio; hop: samples per frame; window: samples per window of its transform.
    """

    offers: ClassVar[frozenset[str]] = frozenset({"wave", "reference"})

    def __init__(self, *, channels: int, hop: int, window: int) -> None:
        super().__init__()
        self.channels = channels
        self.stft = Stft(size=window, hop=hop)
        self.inputs = 2 * channels * self.stft.bins

    def forward(
        self, x: Float[Tensor, "b o f"], counts: Bool[Tensor, "b f"], wave: Float[Tensor, "b c t"]
    ) -> Decoded:
        """Return the sound."""
        return Decoded(wave=self.synthesise(x))

    def synthesise(self, x: Float[Tensor, "b o f"]) -> Float[Tensor, "b c t"]:
        """Return the sound."""
        level, phase = x.float().unflatten(1, (self.channels, 2, -1)).flatten(0, 1).unbind(1)
        spectrum = torch.polar((level + _START).clamp_max(_LOUDEST).exp(), phase)
        return self.stft.inverse(spectrum).unflatten(0, (-1, self.channels))


class SpectralEncoder(nn.Module):
    """Hears log magnitudes through one or several windows.

    Args:
        channels: of the audio.
        hop: samples per frame.
        windows: samples per window, each even; long ones tell pitches apart, short ones moments.
        latent: width of what comes out.
        width: of the blocks; depth: how many; kernel: frames each of them sees, odd.
        expansion: how many times wider a block is inside.
    """

    def __init__(
        self,
        *,
        channels: int,
        hop: int,
        windows: list[int],
        latent: int,
        width: int,
        depth: int,
        kernel: int,
        expansion: float,
    ) -> None:
        super().__init__()
        self.stfts = nn.ModuleList(Stft(size=size, hop=hop) for size in windows)
        inputs = channels * sum(size // 2 + 1 for size in windows)
        self.skip = nn.Linear(inputs, latent)
        self.body = ConvNext(
            inputs=inputs, outputs=latent, width=width, depth=depth, kernel=kernel, expansion=expansion
        )

    def forward(self, wave: Float[Tensor, "b c t"], counts: Bool[Tensor, "b f"]) -> Float[Tensor, "b d f"]:
        """Return one latent per frame."""
        features = self.features(wave)
        return self.skip(features.mT).mT + self.body(features, counts)

    def features(self, wave: Float[Tensor, "b c t"]) -> Float[Tensor, "b i f"]:
        """Return the scaled levels of all channels and windows, about 0 to 2."""
        rows = wave.flatten(0, 1)
        heard = [
            log_level(stft.magnitude(rows), LEVEL_FLOOR) for stft in self.stfts if isinstance(stft, Stft)
        ]
        return torch.cat(heard, 1).unflatten(0, wave.shape[:2]).flatten(1, 2) * LEVEL_SCALE


class SpectralDecoder(Decoder):
    """Blocks at the frame rate and a head that turns their output into sound.

    Args:
        latent: width of what comes in; width, depth, kernel, expansion: as in `SpectralEncoder`.
        head: `WaveHead` or `MagnitudeHead`.
    """

    def __init__(
        self,
        *,
        latent: int,
        width: int,
        depth: int,
        kernel: int,
        expansion: float,
        head: WaveHead | MagnitudeHead,
    ) -> None:
        super().__init__()
        self.head = head
        self.offers = head.offers
        self.skip = nn.Linear(latent, head.inputs)
        self.body = ConvNext(
            inputs=latent, outputs=head.inputs, width=width, depth=depth, kernel=kernel, expansion=expansion
        )
        nn.init.zeros_(self.skip.weight)  # untrained, it speaks softly: levels near the floor
        nn.init.zeros_(self.skip.bias)
        with torch.no_grad():
            self.body.leave.weight *= 0.1

    def forward(
        self, latent: Float[Tensor, "b d f"], counts: Bool[Tensor, "b f"], wave: Float[Tensor, "b c t"]
    ) -> Decoded:
        """Return the head's own view of the sound beside the original's."""
        return self.head(self._spoken(latent, counts), counts, wave)

    def synthesise(self, latent: Float[Tensor, "b d f"]) -> Float[Tensor, "b c t"]:
        """Return the sound."""
        counts = torch.ones(len(latent), latent.shape[-1], dtype=torch.bool, device=latent.device)
        return self.head.synthesise(self._spoken(latent, counts))

    def _spoken(self, latent: Float[Tensor, "b d f"], counts: Bool[Tensor, "b f"]) -> Float[Tensor, "b o f"]:
        return self.skip(latent.mT).mT + self.body(latent, counts)
