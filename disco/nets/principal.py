"""A start for codecs that hear spectra: principal components, which need no training.

Log spectra of music lie near a space of few dimensions. Rendered tunes sent through 64 principal
components and back keep the notes that a transcriber hears, while a network that starts from
noise needs thousands of steps to come near that. So the linear maps beside the network's blocks
start as that projection and its inverse, the blocks start silent, and training refines both.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from disco.errors import DiscoError
from disco.nets.convnext import MagnitudeHead, SpectralDecoder, SpectralEncoder
from disco.nets.quantizer import ResidualQuantizer


class PrincipalStart:
    """Sets encoder, quantiser and decoder to the principal components of log spectra.

    Args:
        frames: how many frames of the training data to look at, at most.
    """

    def __init__(self, *, frames: int) -> None:
        self.frames = frames

    def check(self, encoder: nn.Module, quantizer: ResidualQuantizer, decoder: nn.Module) -> None:
        """Refuse parts that it cannot set.

        Raises:
            DiscoError: encoder and decoder do not hear and speak the same magnitudes, or latent and
                codes have different widths.
        """
        without = "or set model.start=null"
        if not isinstance(encoder, SpectralEncoder) or not isinstance(decoder, SpectralDecoder):
            raise DiscoError(
                "a principal start needs a body that works on spectra", do=f"set body=convnext, {without}"
            )
        if not isinstance(decoder.head, MagnitudeHead) or encoder.skip.in_features != decoder.head.inputs:
            raise DiscoError(
                "a principal start needs a magnitude head with the encoder's one window",
                do=f"give head and encoder the same window, {without}",
            )
        latent = encoder.skip.out_features
        if quantizer.narrow.weight.shape[:2] != (latent, latent):
            raise DiscoError(
                f"a principal start needs codes as wide as the latent, {latent}",
                do=f"set model.quantizer.code_dim={latent}, {without}",
            )

    @torch.no_grad()
    def __call__(
        self,
        encoder: nn.Module,
        quantizer: ResidualQuantizer,
        decoder: nn.Module,
        waves: Iterable[Float[Tensor, "b c t"]],
    ) -> None:
        """Set the weights from what the waves sound like.

        Raises:
            ValueError: they have fewer frames than there are components.
        """
        self.check(encoder, quantizer, decoder)
        assert isinstance(encoder, SpectralEncoder)
        assert isinstance(decoder, SpectralDecoder)
        latent = encoder.skip.out_features
        heard = self._listen(encoder, waves)
        if len(heard) < latent:
            raise ValueError(f"{latent} principal components want as many frames, and it has {len(heard)}")
        mean = heard.mean(0)
        _, spreads, basis = torch.pca_lowrank(heard - mean, q=latent, center=False, niter=4)
        spread = (spreads.square().sum() / (len(heard) * latent)).sqrt()
        _linear(encoder.skip, basis.T / spread, -(mean @ basis) / spread)
        _linear(decoder.skip, basis * spread, mean)
        for part in (quantizer.narrow, quantizer.widen):
            part.weight.copy_(torch.eye(latent)[..., None])
        for silent in (encoder.body.leave, decoder.body.leave):
            nn.init.zeros_(silent.weight)
        for layer in (quantizer.narrow, quantizer.widen, encoder.body.leave, decoder.body.leave):
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)

    def _listen(
        self, encoder: SpectralEncoder, waves: Iterable[Float[Tensor, "b c t"]]
    ) -> Float[Tensor, "n i"]:
        frames, count = [], 0
        for wave in waves:
            features = encoder.features(wave).mT.flatten(0, 1)
            frames.append(features)
            count += len(features)
            if count >= self.frames:
                break
        return torch.cat(frames)[: self.frames]


def _linear(layer: nn.Linear, weight: Tensor, bias: Tensor) -> None:
    layer.weight.copy_(weight)
    layer.bias.copy_(bias)
