"""EnCodec as MusicGen uses it, with published or local weights."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from disco.codecs.hashed import hashed
from disco.core.ranges import PositiveFloat
from disco.errors import DiscoError


class Encodec:
    """Tokens of a pretrained EnCodec (Défossez et al. 2022).

    Args:
        path: a folder with `config.json` and `model.safetensors`, or a name on the Hugging Face hub.
        bandwidth: kbit/s, which sets how many codebooks are used: 2.2 is all four of MusicGen's.

    Raises:
        DiscoError: no weights there, a bandwidth that the weights do not have, or weights that cut
            audio into overlapping chunks (the 48 kHz release).
    """

    def __init__(self, *, path: str, bandwidth: PositiveFloat) -> None:
        from transformers import EncodecModel  # two seconds

        try:
            self.model: Any = (
                EncodecModel.from_pretrained(path, use_safetensors=True)
                .requires_grad_(requires_grad=False)
                .eval()
            )
        except (OSError, ValueError) as error:
            raise DiscoError(
                f"codec.path={path}: no EnCodec weights there ({str(error).splitlines()[0]})",
                do="name a folder with config.json and model.safetensors, or a name on the hub",
            ) from error
        config = self.model.config
        if bandwidth not in config.target_bandwidths:
            choices = ", ".join(map(str, config.target_bandwidths))
            raise DiscoError(f"codec.bandwidth={bandwidth}: {path} has {choices}", do="choose one of these")
        if config.chunk_length_s is not None:
            raise DiscoError(
                f"codec.path={path} works in overlapping chunks with a scale of their own",
                do="use the 24 or 32 kHz release",
            )
        self.bandwidth = bandwidth
        self.rate: int = config.sampling_rate
        self.channels: int = config.audio_channels
        self.hop: int = config.hop_length
        self.num_codebooks: int = self.model.quantizer.get_num_quantizers_for_bandwidth(bandwidth)
        self.cardinality: int = config.codebook_size
        self.fingerprint = hashed(self.model, f"encodec {bandwidth}")

    @torch.no_grad()
    def encode(self, wave: Float[Tensor, "b c t"]) -> Int[Tensor, "b k f"]:
        """Return `ceil(t / hop)` frames of tokens."""
        whole = F.pad(wave.float(), (0, -wave.shape[-1] % self.hop))
        with torch.autocast(wave.device.type, enabled=False):
            coded = self.model.to(wave.device).encode(whole, bandwidth=self.bandwidth)
        return coded.audio_codes[0]

    @torch.no_grad()
    def decode(self, codes: Int[Tensor, "b k f"]) -> Float[Tensor, "b c t"]:
        """Return `f * hop` samples."""
        with torch.autocast(codes.device.type, enabled=False):
            decoded = self.model.to(codes.device).decode(codes[None], [None])
        return decoded.audio_values[..., : codes.shape[-1] * self.hop]
