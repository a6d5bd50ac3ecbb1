"""Any codec: what the model inherits, and what it refuses, by name."""

import pytest
import torch

from disco.codecs.stereo import Stereo
from disco.core.batch import AudioBatch, CodeBatch
from disco.errors import DiscoError
from disco.models.musicgen_surgery import stereo_weights
from disco.nets.patterns import Delay
from tests.models.helpers import ToyCodec, batch_of, conditions, markov_codes, musicgen, played, random_head


class Steps(ToyCodec):
    """Encodes the level of each frame; enough to tell waves apart."""

    def encode(self, wave: torch.Tensor) -> torch.Tensor:
        frames = -(-wave.shape[-1] // self.hop)
        padded = torch.nn.functional.pad(wave, (0, frames * self.hop - wave.shape[-1]))
        level = padded[:, 0].unflatten(-1, (frames, self.hop)).mean(-1)
        return (
            (level * 10)
            .round()
            .long()
            .clamp(0, self.cardinality - 1)[:, None]
            .repeat(1, self.num_codebooks, 1)
        )


@pytest.mark.parametrize(("codebooks", "cardinality"), [(2, 8), (4, 16), (9, 32)])
def test_codebooks_size_and_rate_are_the_codecs(codebooks: int, cardinality: int) -> None:
    codec = ToyCodec(num_codebooks=codebooks, cardinality=cardinality)
    model = musicgen(codec=codec)
    assert (model.num_codebooks, model.choices, model.frame_rate) == (codebooks, cardinality, 10.0)
    assert model.head.out_features == codebooks * cardinality
    assert model.layout(5).step[:, 0].tolist() == list(range(1, codebooks + 1))


def test_delays_are_the_codecs_where_the_pattern_leaves_them_open() -> None:
    model = musicgen(codec=Stereo(inner=ToyCodec(num_codebooks=4)))
    assert model.layout(5).step[:, 0].tolist() == [1, 1, 2, 2, 3, 3, 4, 4]


@pytest.mark.parametrize(
    ("expects", "says"),
    [
        ({"rate": 16000, "hop": 320}, "rate 16000, hop 320, and ToyCodec has rate 50, hop 5"),
        ({"num_codebooks": 4}, "num_codebooks 4, and ToyCodec has num_codebooks 3"),
        ({"stride": 4}, "model.expects.stride: no codec has this; choose from rate, channels, hop"),
    ],
)
def test_a_codec_that_does_not_fit_is_refused_by_name(expects, says) -> None:
    with pytest.raises(DiscoError, match=says):
        musicgen(expects=expects)


def test_a_codec_that_fits_is_taken() -> None:
    assert musicgen(expects={"rate": 50, "hop": 5, "cardinality": 16}).special == 16


def test_weights_of_another_codec_are_refused_by_name() -> None:
    weights = musicgen().network_state()
    with pytest.raises(DiscoError, match="speak 3 codebooks of 16 tokens, and ToyCodec has 4 of 8"):
        musicgen(codec=ToyCodec(num_codebooks=4, cardinality=8)).load_network(weights)


def test_delays_for_another_codec_are_refused_by_name() -> None:
    with pytest.raises(DiscoError, match="8 delays for 3 codebooks"):
        musicgen(pattern=Delay(delays=[0, 0, 1, 1, 2, 2, 3, 3]))


# ----------------------------------------------------------------- waveforms


def test_waveforms_are_encoded_on_the_way_and_learned_like_their_tokens() -> None:
    model = random_head(musicgen(codec=Steps(), waves=True))
    wave = torch.rand(2, 1, 60, generator=torch.Generator().manual_seed(0))
    told, valid = conditions("reel", "jig"), torch.tensor([60, 33])
    heard = model(AudioBatch(wave=wave, valid=valid, rate=50, conditions=told))
    codes = model.codec.encode(wave)
    read = model(CodeBatch(codes=codes, valid=torch.tensor([12, 7]), conditions=told))
    assert torch.equal(heard.logits, read.logits)
    assert torch.equal(heard.mask, read.mask)


def test_only_training_asks_for_waveforms() -> None:
    assert type(musicgen(waves=True).view).__name__ == "CodeView"
    trained = musicgen(waves=True)
    trained.recipe = object()  # type: ignore[assignment]
    assert (type(trained.view).__name__, trained.view.rate, trained.view.channels) == ("AudioView", 50, 1)


# -------------------------------------------------------------------- stereo


@pytest.mark.parametrize("prior", [False, True])
def test_a_stereo_model_made_of_a_mono_one_plays_the_same_on_both_sides(prior: bool) -> None:
    mono = musicgen(prior=prior)
    if prior:
        mono.prepare_fit([batch_of(markov_codes(12, 30))])
    random_head(mono)
    stereo = musicgen(prior=prior, codec=Stereo(inner=ToyCodec()))
    stereo.load_network(stereo_weights(mono.network_state(), 3))
    codes = markov_codes(2, 14)
    wanted = mono(batch_of(codes)).logits
    both = stereo.eval()(batch_of(codes.repeat_interleave(2, 1))).logits
    assert torch.allclose(both[:, 0::2], wanted, atol=1e-5)
    assert torch.allclose(both[:, 1::2], wanted, atol=1e-5)


def test_the_same_greedy_piece_on_both_sides_is_the_mono_one() -> None:
    from disco.core.contracts import Sampler

    mono = random_head(musicgen())
    stereo = musicgen(codec=Stereo(inner=ToyCodec()))
    stereo.load_network(stereo_weights(mono.network_state(), 3))
    greedy, asked = Sampler(temperature=0.0), conditions("reel")
    codes = played(stereo.eval(), asked, 18, greedy, 0)
    assert torch.equal(codes[:, 0::2], played(mono, asked, 18, greedy, 0))
    (clip,) = stereo.generate(asked, seconds=1.8, sampler=greedy, seed=0)
    assert clip.channels == 2
    assert torch.equal(clip.wave[0], clip.wave[1])
