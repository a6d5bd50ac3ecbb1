"""A published EnCodec is opened as one's own codec, and one's own is exported as an EnCodec."""

from pathlib import Path
from typing import Any

import pytest
import torch

from disco.apps.export_hf import encodec_of
from disco.errors import DiscoError
from disco.models.autoencoder import Autoencoder
from disco.nets.quantizer import ResidualQuantizer
from disco.nets.seanet import SeanetDecoder, SeanetEncoder
from disco.weights.encodec import EncodecWeights
from tests.parity.networks import BANDWIDTH, CARDINALITY, encodec


def own(code_dim: int = 8, channels: int = 1) -> Autoencoder:
    torch.manual_seed(7)
    shape: dict[str, Any] = {
        "channels": channels, "filters": 4, "ratios": [4, 2], "kernel": 7, "residual_kernel": 3, "lstm": 2,
        "latent": 8,
    }  # fmt: skip
    quantizer = ResidualQuantizer(
        dim=8, code_dim=code_dim, num_codebooks=4, cardinality=CARDINALITY, decay=0.99, restarts=[], pool=100,
        dead_below=0.0, dropout=0.0, seed=0,
    )  # fmt: skip
    return Autoencoder(
        rate=8000, channels=channels, hop=8, seconds=1.0, encoder=SeanetEncoder(**shape), quantizer=quantizer,
        decoder=SeanetDecoder(**shape), start=None, terms={}, recipe=None,
    ).eval()  # fmt: skip


def sound(channels: int = 1) -> torch.Tensor:
    return 0.5 * torch.randn(2, channels, 800, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("encodec")
    encodec().save_pretrained(path)
    return path


@torch.no_grad()
def test_what_is_loaded_makes_their_tokens_and_their_sound(folder) -> None:
    codec, theirs = own(), encodec()
    EncodecWeights(path=str(folder)).load(codec)
    codes = theirs.encode(sound(), bandwidth=BANDWIDTH).audio_codes[0]
    assert torch.equal(codec.encode(sound()), codes)
    assert len(codes.unique()) > 2
    assert (codec.decode(codes) - theirs.decode(codes[None], [None]).audio_values).abs().max() < 1e-5


@torch.no_grad()
@pytest.mark.parametrize(("code_dim", "channels"), [(8, 1), (5, 2)])
def test_what_is_exported_makes_our_tokens_and_our_sound(code_dim: int, channels: int) -> None:
    codec = own(code_dim, channels)
    codec.quantizer.mean.normal_()  # levels as training leaves them
    codec.quantizer.spread.fill_(0.3)
    network = encodec_of(codec)
    codes = codec.encode(sound(channels))
    assert torch.equal(network.encode(sound(channels)).audio_codes[0], codes)
    assert len(codes.unique()) > 2
    assert (network.decode(codes[None], [None]).audio_values - codec.decode(codes)).abs().max() < 1e-5


def test_files_of_older_names_are_understood(folder, tmp_path) -> None:
    from safetensors.torch import load_file, save_file

    older = {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): value
        for name, value in load_file(folder / "model.safetensors").items()
    }
    assert any(name.endswith("weight_g") for name in older)
    save_file(older, tmp_path / "model.safetensors")
    one, other = own(), own()
    EncodecWeights(path=str(folder)).load(one)
    EncodecWeights(path=str(tmp_path)).load(other)
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


def test_another_shape_is_refused(folder) -> None:
    with pytest.raises(DiscoError, match=r"model\.quantizer\.code_dim"):
        EncodecWeights(path=str(folder)).load(own(code_dim=5))
    with pytest.raises(DiscoError, match=r"differ in .*decoder\.layers\.9"):
        EncodecWeights(path=str(folder)).load(own(channels=2))
