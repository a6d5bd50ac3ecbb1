"""A pretrained EnCodec keeps the codec contract; tried on random weights in the published layout."""

from pathlib import Path

import pytest
import torch
from transformers import EncodecConfig, EncodecModel

from disco.codecs.encodec import Encodec
from disco.core.contracts import Codec
from disco.errors import DiscoError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    config = EncodecConfig(
        sampling_rate=8000,
        num_filters=4,
        upsampling_ratios=[4, 2],
        hidden_size=8,
        codebook_size=16,
        codebook_dim=8,
        num_lstm_layers=1,
        use_causal_conv=False,
        target_bandwidths=[8.0, 16.0],
    )
    path = tmp_path_factory.mktemp("encodec")
    model = EncodecModel(config)
    for layer in model.quantizer.layers:
        layer.codebook.embed.normal_(std=0.01)  # they start as zeros
    model.save_pretrained(path)
    return path


def test_frames_and_samples_follow_the_contract(folder):
    codec = Encodec(path=str(folder), bandwidth=16.0)
    assert isinstance(codec, Codec)
    assert (codec.rate, codec.channels, codec.hop, codec.cardinality) == (8000, 1, 8, 16)
    assert codec.num_codebooks == 4  # 16 kbit/s at 1000 frames of 4 bits
    for samples, frames in ((80, 10), (81, 11), (3, 1)):
        codes = codec.encode(torch.randn(2, 1, samples))
        assert codes.shape == (2, 4, frames)
        assert codec.decode(codes).shape == (2, 1, frames * 8)


def test_tokens_and_sound_are_those_of_the_library(folder):
    codec = Encodec(path=str(folder), bandwidth=8.0)
    model = EncodecModel.from_pretrained(folder).eval()
    wave = 0.9 * torch.randn(1, 1, 1600, generator=torch.Generator().manual_seed(0))
    expected = model.encode(wave, bandwidth=8.0).audio_codes
    assert torch.equal(codec.encode(wave), expected[0])
    assert len(expected.unique()) > 2
    assert torch.allclose(codec.decode(expected[0]), model.decode(expected, [None]).audio_values, atol=1e-6)


def test_fingerprint_follows_weights_and_bandwidth(folder, tmp_path):
    first, again = (Encodec(path=str(folder), bandwidth=8.0).fingerprint for _ in range(2))
    model = EncodecModel.from_pretrained(folder)
    with torch.no_grad():
        next(model.decoder.parameters()).add_(1e-3)
    model.save_pretrained(tmp_path)
    others = {
        Encodec(path=str(tmp_path), bandwidth=8.0).fingerprint,
        Encodec(path=str(folder), bandwidth=16.0).fingerprint,
    }
    assert first == again
    assert len(others | {first}) == 3


def test_a_missing_folder_and_a_wrong_bandwidth_are_explained(folder, tmp_path):
    with pytest.raises(DiscoError, match="no EnCodec weights"):
        Encodec(path=str(tmp_path / "nothing" / "there" / "at" / "all"), bandwidth=8.0)
    with pytest.raises(DiscoError, match=r"has 8\.0, 16\.0"):
        Encodec(path=str(folder), bandwidth=2.2)
