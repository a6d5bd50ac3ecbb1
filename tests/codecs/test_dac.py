"""A pretrained DAC keeps the codec contract; tried on random weights in the published layout."""

from pathlib import Path

import pytest
import torch
from transformers import DacConfig, DacModel

from disco.codecs.dac import Dac
from disco.core.contracts import Codec
from disco.errors import DiscoError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    config = DacConfig(
        encoder_hidden_size=4,
        downsampling_ratios=[2, 4],
        decoder_hidden_size=16,
        n_codebooks=3,
        codebook_size=16,
        codebook_dim=4,
        sampling_rate=8000,
    )
    path = tmp_path_factory.mktemp("dac")
    DacModel(config).save_pretrained(path)
    return path


def test_frames_and_samples_follow_the_contract(folder):
    codec = Dac(path=str(folder), codebooks=None)
    assert isinstance(codec, Codec)
    assert (codec.rate, codec.channels, codec.hop, codec.cardinality) == (8000, 1, 8, 16)
    for samples, frames in ((80, 10), (81, 11), (9, 2)):
        codes = codec.encode(torch.randn(2, 1, samples))
        assert codes.shape == (2, 3, frames)
        assert codec.decode(codes).shape == (2, 1, frames * 8)


def test_tokens_and_sound_are_those_of_the_library(folder):
    model = DacModel.from_pretrained(folder).eval()
    wave = 0.9 * torch.randn(2, 1, 1600, generator=torch.Generator().manual_seed(0))
    for codebooks in (3, 2):
        codec = Dac(path=str(folder), codebooks=codebooks)
        expected = model.encode(wave, n_quantizers=codebooks).audio_codes
        assert torch.equal(codec.encode(wave), expected)
        assert len(expected.unique()) > 2
        sound = model.decode(audio_codes=expected).audio_values
        assert torch.allclose(codec.decode(expected)[:, 0, : sound.shape[-1]], sound, atol=1e-6)


def test_fewer_codebooks_are_another_codec(folder):
    assert len({Dac(path=str(folder), codebooks=count).fingerprint for count in (None, 3, 2)}) == 2


def test_a_missing_folder_and_too_many_codebooks_are_explained(folder, tmp_path):
    with pytest.raises(DiscoError, match="no DAC weights"):
        Dac(path=str(tmp_path / "nothing" / "there" / "at" / "all"), codebooks=None)
    with pytest.raises(DiscoError, match="has 3"):
        Dac(path=str(folder), codebooks=4)
