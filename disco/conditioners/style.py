"""The style of a sound: a few seconds through a bottleneck that lets colour through and no tune."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from disco.audio.clip import Clip
from disco.audio.io import read_clip
from disco.conditioners.listener import Listener
from disco.core.batch import Conditions
from disco.core.contracts import Context
from disco.core.given import Excerpt
from disco.core.ranges import PositiveFloat, PositiveInt, Share
from disco.nets.finite_scalar import FiniteScalar
from disco.nets.spectral import Stft, log_level, mel_filters

RATE, WINDOW, HOP = 16000, 1024, 320  # 50 frames per second
LEVEL_SCALE = 0.2  # brings levels of 0 to 9 to what a network likes to read


class Style(Listener):
    """Says a few vectors of a sound, each rounded to few levels, to be attended to.

    In training the excerpt is drawn at random from the same recording, so that what it says about the crop
    is its style (MusicGen-Style, Rouard et al. 2024, arXiv 2407.12563; its frozen encoder is a small
    trained one here, its residual codebooks are finite scalars). At generation it is given as
    `style=song.wav`, whose first seconds count.

    Args:
        seconds: of the excerpt; shorter ones are repeated.
        channels: of the encoder.
        vectors: that it says.
        levels: of the numbers that each vector is made of; fewer let less through.
    """

    hears = "style"

    def __init__(
        self,
        *,
        width: PositiveInt,
        seconds: PositiveFloat,
        bands: PositiveInt,
        channels: PositiveInt,
        vectors: PositiveInt,
        levels: Sequence[PositiveInt],
        dropout: Share,
    ) -> None:
        super().__init__(dropout=dropout)
        self.seconds = seconds
        self.bands = bands
        self.vectors = vectors
        self.stft = Stft(size=WINDOW, hop=HOP)
        self.encoder = nn.Sequential(
            nn.Conv1d(bands, channels, 3, padding=1),
            nn.GELU(),
            nn.Conv1d(channels, channels, 4, stride=2, padding=1),
            nn.GELU(),
            nn.Conv1d(channels, channels, 4, stride=2, padding=1),
            nn.GELU(),
            nn.AdaptiveAvgPool1d(vectors),
        )
        self.norm = nn.LayerNorm(channels)
        self.narrow = nn.Linear(channels, len(levels))
        nn.init.normal_(self.narrow.weight, std=1.5 * channels**-0.5)  # so that rounding leaves something
        self.bottleneck = FiniteScalar(levels=levels)
        self.widen = nn.Linear(len(levels), width)
        self.place_embedding = nn.Parameter(torch.randn(vectors, width) * width**-0.5)

    def forward(self, conditions: Conditions, frames: int, frame_rate: float) -> Context:
        """Return the vectors of each item; an item without an excerpt says nothing."""
        heard = self.heard(conditions)
        place = self.widen.weight.device
        clips = [self._fitted(one.clip) if one is not None else self._silence() for one in heard]
        mask = torch.tensor([one is not None for one in heard], device=place)[:, None]
        said = self.widen(self.bottleneck(self.narrow(self.described(torch.stack(clips).to(place)))))
        mask = mask.expand(-1, self.vectors)
        return Context(cross=(said + self.place_embedding) * mask[..., None], cross_mask=mask)

    def described(self, wave: Float[Tensor, "b t"]) -> Float[Tensor, "b n c"]:
        """Return what the encoder hears, before the bottleneck; loudness as a whole does not count."""
        wave = wave / wave.square().mean(1, keepdim=True).sqrt().clamp_min(1e-4) * 0.1
        with torch.autocast(wave.device.type, enabled=False):
            magnitude = self.stft.magnitude(wave)
            filters = mel_filters(RATE, WINDOW, self.bands).to(magnitude)
            levels = log_level(filters @ magnitude) * LEVEL_SCALE
        return self.norm(self.encoder(levels.to(self.narrow.weight.dtype)).mT)

    def _silence(self) -> Float[Tensor, " t"]:
        return torch.zeros(round(self.seconds * RATE))

    def _fitted(self, clip: Clip) -> Float[Tensor, " t"]:
        """Return the first seconds in mono, repeated as often as it takes."""
        wave, length = clip.mono().resampled(RATE).wave[0].float(), round(self.seconds * RATE)
        times = -(-length // max(1, len(wave)))
        return wave.repeat(times)[:length] if len(wave) else F.pad(wave, (0, length))

    def understand(self, words: str, *, tempo_bpm: float) -> Excerpt:
        """Read a sound file."""
        return Excerpt(read_clip(words, seconds=self.seconds))
