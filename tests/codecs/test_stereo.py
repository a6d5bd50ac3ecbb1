"""Stereo from mono: both sides by themselves, their codebooks in turn."""

import pytest
import torch

from disco.codecs.stereo import Stereo
from disco.core.contracts import Codec
from disco.errors import DiscoError
from tests.models.helpers import ToyCodec


class Levels(ToyCodec):
    """The first codebook holds each frame's first sample."""

    def encode(self, wave: torch.Tensor) -> torch.Tensor:
        first = wave[:, 0, :: self.hop].long()
        return torch.stack([first, *[first * 0] * (self.num_codebooks - 1)], 1)


def test_sides_come_back_as_they_went_in() -> None:
    codec = Stereo(inner=Levels(num_codebooks=4))
    wave = torch.tensor([[[1.0, 2.0, 3.0], [7.0, 8.0, 9.0]]]).repeat_interleave(5, -1)
    codes = codec.encode(wave)
    assert codes.shape == (1, 8, 3)
    assert codes[0, :2].tolist() == [[1, 2, 3], [7, 8, 9]]
    assert torch.equal(codec.decode(codes), wave)


def test_it_is_a_codec_with_the_published_delays() -> None:
    codec = Stereo(inner=ToyCodec(num_codebooks=4))
    assert isinstance(codec, Codec)
    assert (codec.channels, codec.num_codebooks, codec.rate, codec.hop) == (2, 8, 50, 5)
    assert codec.delays == (0, 0, 1, 1, 2, 2, 3, 3)
    assert codec.fingerprint != codec.inner.fingerprint


def test_a_stereo_codec_inside_is_refused() -> None:
    inner = ToyCodec()
    inner.channels = 2
    with pytest.raises(DiscoError, match="ToyCodec has 2 channels"):
        Stereo(inner=inner)
