"""The Descript Audio Codec, with published or local weights."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from disco.codecs.hashed import hashed
from disco.core.ranges import PositiveInt
from disco.errors import DiscoError


class Dac:
    """Tokens of a pretrained DAC (Kumar et al. 2023).

    Args:
        path: a folder with `config.json` and `model.safetensors`, or a name on the Hugging Face hub.
        codebooks: how many of them are used; None takes all, 9 at 44.1 kHz.

    Raises:
        DiscoError: no weights there, or more codebooks than they have.
    """

    def __init__(self, *, path: str, codebooks: PositiveInt | None) -> None:
        from transformers import DacModel  # two seconds

        try:
            self.model: Any = DacModel.from_pretrained(path).requires_grad_(requires_grad=False).eval()
        except (OSError, ValueError) as error:
            raise DiscoError(
                f"codec.path={path}: no DAC weights there ({str(error).splitlines()[0]})",
                do="name a folder with config.json and model.safetensors, or a name on the hub",
            ) from error
        config = self.model.config
        if codebooks is not None and codebooks > config.n_codebooks:
            raise DiscoError(f"codec.codebooks={codebooks}: {path} has {config.n_codebooks}")
        self.rate: int = config.sampling_rate
        self.channels = 1
        self.hop = int(config.hop_length)
        self.num_codebooks: int = codebooks or config.n_codebooks
        self.cardinality: int = config.codebook_size
        self.fingerprint = hashed(self.model, f"dac {self.num_codebooks}")

    @torch.no_grad()
    def encode(self, wave: Float[Tensor, "b c t"]) -> Int[Tensor, "b k f"]:
        """Return `ceil(t / hop)` frames of tokens."""
        whole = F.pad(wave.float(), (0, -wave.shape[-1] % self.hop))
        with torch.autocast(wave.device.type, enabled=False):
            coded = self.model.to(wave.device).encode(whole, n_quantizers=self.num_codebooks)
        return coded.audio_codes

    @torch.no_grad()
    def decode(self, codes: Int[Tensor, "b k f"]) -> Float[Tensor, "b c t"]:
        """Return `f * hop` samples; odd strides make a few less, and silence stands in for them."""
        with torch.autocast(codes.device.type, enabled=False):
            wave = self.model.to(codes.device).decode(audio_codes=codes).audio_values[:, None]
        length = codes.shape[-1] * self.hop
        return F.pad(wave, (0, max(0, length - wave.shape[-1])))[..., :length]
