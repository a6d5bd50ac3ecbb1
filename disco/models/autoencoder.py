"""The neural codec: sound to a few tokens per frame and back."""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Never

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from disco.audio.clip import Clip
from disco.core.batch import AudioBatch, Conditions
from disco.core.contracts import Recipe, Sampler, Seed
from disco.core.module import GenerativeModule
from disco.core.outputs import Outputs
from disco.core.ranges import PositiveFloat, PositiveInt
from disco.core.sites import DETOUR, FACTORS, LAYERS, LOW_RANK, Site
from disco.core.term import Term, check_needs
from disco.core.views import AudioView
from disco.errors import DiscoError
from disco.nets.decoded import Decoder
from disco.nets.principal import PrincipalStart
from disco.nets.quantizer import ResidualQuantizer, code_counts, perplexity, summed_over_processes


class Autoencoder(GenerativeModule):
    """Encoder, residual vector quantiser, decoder.

    Args:
        rate: Hz of the audio; channels: 1 or 2; hop: samples per frame of tokens.
        seconds: length of the training crops.
        encoder: wave and counting frames to one latent per frame.
        quantizer: latents to tokens.
        decoder: latents to waves or magnitudes.
        start: sets all three from the training data before the first step; None leaves them random.

    Raises:
        DiscoError: a loss reads what this decoder does not make, the encoder has another
            hop, or the start cannot set these parts.
    """

    accepts: ClassVar[tuple[type, ...]] = (AudioBatch,)
    offers: ClassVar[frozenset[str]] = frozenset(
        {"wave", "reference", "magnitude", "magnitude_reference", "commitment", "codes"}
    )
    sites: ClassVar[Mapping[str, Site]] = {
        "ffn_in": r"(encoder|decoder)\.body\.blocks\.\d+\.grow",
        "ffn_out": r"(encoder|decoder)\.body\.blocks\.\d+\.shrink",
        "unit": r"(encoder|decoder)\.layers\.\d+\.layers\.\d+\.conv",
        "encoder": "encoder",
        "decoder": "decoder",
    }
    default_sites: ClassVar[Mapping[str, Sequence[str]]] = {
        LOW_RANK: ("ffn_in", "ffn_out", "unit"),
        FACTORS: ("ffn_out",),
        DETOUR: ("ffn_out",),
        LAYERS: ("decoder",),  # tokens keep their meaning for models that speak them
    }
    blocks: ClassVar[str] = r"(encoder|decoder)\.(body\.blocks|layers)\.\d+"
    survey_items: ClassVar[int | None] = 1000
    usage: Tensor

    def __init__(
        self,
        *,
        rate: PositiveInt,
        channels: PositiveInt,
        hop: PositiveInt,
        seconds: PositiveFloat,
        encoder: nn.Module,
        quantizer: ResidualQuantizer,
        decoder: Decoder,
        start: PrincipalStart | None,
        terms: Mapping[str, Term],
        recipe: Recipe | None,
    ) -> None:
        super().__init__(terms=terms, recipe=recipe)
        if terms:
            check_needs(terms, decoder.offers | {"commitment", "codes"}, "autoencoder with this decoder")
        self.rate = rate
        self.channels = channels
        self.hop = hop
        self.seconds = seconds
        self.encoder = encoder
        self.quantizer = quantizer
        self.decoder = decoder
        heard = getattr(encoder, "hop", hop)
        if heard != hop:
            raise DiscoError(
                f"the encoder's strides make frames of {heard} samples, and model.hop is {hop}",
                do=f"set model.hop={heard}, or other ratios",
            )
        if start is not None:
            start.check(encoder, quantizer, decoder)
        self.start = start
        used = torch.zeros(quantizer.num_codebooks, quantizer.cardinality)
        self.register_buffer("usage", used, persistent=False)

    @property
    def num_codebooks(self) -> int:
        """Tokens per frame."""
        return self.quantizer.num_codebooks

    @property
    def cardinality(self) -> int:
        """Entries per codebook."""
        return self.quantizer.cardinality

    @property
    def view(self) -> AudioView:
        """Crops of waveform."""
        return AudioView(rate=self.rate, channels=self.channels, seconds=self.seconds)

    def forward(self, batch: AudioBatch) -> Outputs:
        """Return the reconstruction beside the original; both are silent where an item is padding."""
        length = batch.wave.shape[-1]
        heard = torch.arange(length, device=batch.wave.device) < batch.valid[:, None]
        original = batch.wave * heard[:, None]
        wave, counts = self._framed(original, batch.valid)
        quantized = self.quantizer(self.encoder(wave, counts), counts)
        made = self.decoder(quantized.latent, counts, wave)
        sound = None if made.wave is None else made.wave[..., :length] * heard[:, None]
        return Outputs(
            wave=sound,
            reference=None if sound is None else original,
            magnitude=made.magnitude,
            magnitude_reference=made.magnitude_reference,
            commitment=quantized.commitment,
            codes=quantized.codes,
        )

    def prepare_fit(self, batches: Iterable[AudioBatch]) -> None:
        """Start from what the training data sounds like, where a start was asked for."""
        if self.start is not None:
            self.start(self.encoder, self.quantizer, self.decoder, (batch.wave for batch in batches))

    def encode(self, wave: Float[Tensor, "b c t"]) -> Int[Tensor, "b k f"]:
        """Return `ceil(t / hop)` frames of tokens."""
        valid = torch.full((len(wave),), wave.shape[-1], device=wave.device)
        framed, counts = self._framed(wave, valid)
        return self.quantizer.encode(self.encoder(framed, counts))

    def decode(self, codes: Int[Tensor, "b k f"]) -> Float[Tensor, "b c t"]:
        """Return `f * hop` samples."""
        return self.decoder.synthesise(self.quantizer.decode(codes))

    @torch.no_grad()
    def reconstruct(self, clip: Clip) -> Clip:
        """Send a clip through the tokens: what a model over them could sound like at best.

        It comes back at the codec's rate and channels, as long as it was.
        """
        trained = self.training
        self.eval()
        at_rate = clip.resampled(self.rate)
        wave = (
            at_rate.mono().wave.expand(self.channels, -1) if self.channels != clip.channels else at_rate.wave
        )
        made = self.decode(self.encode(wave[None].to(self.device)))
        self.train(trained)
        return Clip(made[0, :, : wave.shape[-1]].float().cpu(), self.rate).within_full_scale()

    def generate(self, conditions: Conditions, *, seconds: float, sampler: Sampler, seed: Seed) -> Never:
        """Refuse: a codec invents nothing.

        Raises:
            DiscoError: always.
        """
        raise DiscoError(
            "model=autoencoder reconstructs music and cannot make any",
            do="train a model over its tokens: model=musicgen codec=run codec.run=<its folder>",
        )

    def measures(self, out: Outputs) -> dict[str, Tensor]:
        """Count which tokens are used; what follows from the counts is logged once they are complete."""
        assert out.codes is not None
        self.usage += code_counts(out.codes, self.quantizer.cardinality)
        return {}

    def on_validation_epoch_start(self) -> None:
        """Count anew."""
        self.usage.zero_()

    def on_validation_epoch_end(self) -> None:
        """Log the perplexity of each codebook over all of the validation set, in all processes."""
        for place, value in enumerate(perplexity(summed_over_processes(self.usage)).tolist()):
            self.log(f"val/perplexity/{place}", value)

    def _framed(
        self, wave: Float[Tensor, "b c t"], valid: Int[Tensor, " b"]
    ) -> tuple[Float[Tensor, "b c tt"], Bool[Tensor, "b f"]]:
        """Fill up the last frame with silence, and say which frames hold sound of their item."""
        frames = -(-wave.shape[-1] // self.hop)
        counts = torch.arange(frames, device=wave.device) * self.hop < valid[:, None]
        return F.pad(wave, (0, frames * self.hop - wave.shape[-1])), counts
