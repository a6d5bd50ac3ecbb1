"""The tokens of one's own autoencoder: exact lengths, frozen weights, a name that follows them."""

import pytest
import torch

from disco.codecs.run import RunCodec
from disco.core.contracts import Codec
from tests.models.codec_parts import HOP, music, tiny


def codec(batch_size: int = 2) -> RunCodec:
    return RunCodec(run="outputs/somewhere", batch_size=batch_size, autoencoder=tiny())


def test_it_is_a_codec_with_exact_frames():
    one = codec()
    assert isinstance(one, Codec)
    assert (one.rate, one.channels, one.hop, one.num_codebooks, one.cardinality) == (16000, 1, 500, 2, 16)
    codes = one.encode(music()[None, :, :1201])
    assert codes.shape == (1, 2, 3)
    assert one.decode(codes).shape == (1, 1, 3 * HOP)


def test_items_do_not_hear_their_neighbours_and_batches_do_not_show():
    waves = torch.stack([music()[:, start : start + 4000] for start in (0, 8000, 16000)])
    together, apart = codec(batch_size=3).encode(waves), codec(batch_size=1).encode(waves)
    assert torch.equal(together, apart)
    one = codec()
    assert torch.allclose(one.decode(together)[1:2], one.decode(together[1:2]), atol=1e-5)


def test_nothing_in_it_learns():
    one = codec()
    assert not one.autoencoder.training
    assert not any(p.requires_grad for p in one.autoencoder.parameters())
    assert not one.decode(one.encode(music()[None, :, :2000])).requires_grad


def test_fingerprint_follows_the_weights():
    first, again = codec().fingerprint, codec().fingerprint
    changed = tiny()
    with torch.no_grad():
        changed.quantizer.codebooks[1].entries[0, 0] += 1e-3
    assert first == again
    assert RunCodec(run="a", batch_size=1, autoencoder=changed).fingerprint != first


@pytest.mark.slow
def test_tokens_are_the_same_inside_mixed_precision():
    one = codec()
    wave = music()[None, :, :4000]
    plain = one.encode(wave)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(one.encode(wave), plain)
