"""SEANet computes what the published network computes."""

import pytest
import torch
from torch import nn

from disco.nets.seanet import Conv, SeanetDecoder, SeanetEncoder, Upsample

SHAPE = {
    "channels": 1,
    "filters": 4,
    "ratios": [4, 2],
    "kernel": 7,
    "residual_kernel": 3,
    "lstm": 2,
    "latent": 8,
}


def published() -> nn.Module:
    from transformers import EncodecConfig, EncodecModel

    torch.manual_seed(0)
    config = EncodecConfig(
        sampling_rate=8000,
        num_filters=4,
        upsampling_ratios=[4, 2],
        hidden_size=8,
        codebook_size=16,
        use_causal_conv=False,
        use_conv_shortcut=False,
        pad_mode="reflect",
    )
    return EncodecModel(config).eval()


def copy_weights(ours: nn.Module, theirs: nn.Module) -> None:
    """Copy in order of appearance: both list their layers from input to output."""
    kinds = (nn.Conv1d, nn.ConvTranspose1d, nn.LSTM)
    mine = [layer for layer in ours.modules() if isinstance(layer, kinds)]
    others = [layer for layer in theirs.modules() if isinstance(layer, kinds)]
    for a, b in zip(mine, others, strict=True):
        state = b.state_dict()
        a.load_state_dict({name: state[name] for name in a.state_dict()})


@pytest.mark.parametrize("samples", [8, 24, 400])
def test_encoder_equals_the_published_one(samples):
    theirs = published().encoder
    ours = SeanetEncoder(**SHAPE).eval()
    copy_weights(ours, theirs)
    wave = torch.randn(2, 1, samples, generator=torch.Generator().manual_seed(1))
    counts = torch.ones(2, samples // 8, dtype=torch.bool)
    assert torch.allclose(ours(wave, counts), theirs(wave), atol=1e-5)


def test_decoder_equals_the_published_one():
    theirs = published().decoder
    ours = SeanetDecoder(**SHAPE).eval()
    copy_weights(ours, theirs)
    latent = torch.randn(2, 8, 11, generator=torch.Generator().manual_seed(1))
    wave = ours.synthesise(latent)
    assert wave.shape == (2, 1, 88)
    assert torch.allclose(wave, theirs(latent), atol=1e-5)


@pytest.mark.parametrize("stride", [2, 5, 8])
def test_strides_divide_and_multiply_length_exactly(stride):
    x = torch.randn(1, 3, 7 * stride)
    down = Conv(3, 4, 2 * stride, stride)(x)
    assert down.shape == (1, 4, 7)
    assert Upsample(4, 3, stride)(down).shape == x.shape


def test_strides_that_do_not_make_the_hop_are_refused():
    with pytest.raises(ValueError, match="strides of 8 samples"):
        SeanetEncoder(**SHAPE)(torch.zeros(1, 1, 500), torch.ones(1, 1, dtype=torch.bool))
