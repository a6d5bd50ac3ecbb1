"""The same weights give the same answers here and in transformers."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from disco.codecs.stereo import Stereo
from disco.core.batch import Conditions
from disco.core.contracts import Sampler
from disco.models.musicgen_playing import Performance
from disco.nets.patterns import Delay, Picked
from disco.weights.musicgen import MusicgenWeights
from tests.parity.networks import (
    CARDINALITY,
    CODEBOOKS,
    batch_of,
    encodec,
    our_encodec,
    our_musicgen,
    random_codes,
    save_t5,
    whole_musicgen,
)

CAPTIONS = ("a quick reel", "the slow air in the jig")


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_t5(tmp_path_factory.mktemp("t5"))


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.mktemp("encodec")
    encodec().save_pretrained(path)
    return our_encodec(path)


def read(reader: Path, *captions: str):
    """Return what a processor makes of captions."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(reader)(list(captions), padding=True, return_tensors="pt")


def their_logits(whole, model, codes: Tensor, words) -> Tensor:
    """Return their logits where each token is foretold."""
    layout = model.layout(codes.shape[-1])
    steps = layout.lay_out(codes, CARDINALITY)[..., :-1]
    with torch.no_grad():
        out = whole(
            input_ids=words["input_ids"],
            attention_mask=words["attention_mask"],
            decoder_input_ids=steps.flatten(0, 1),
        )
    return Picked.apply(out.logits.unflatten(0, (len(codes), -1)), layout.places())


@pytest.mark.parametrize("channels", [1, 2])
def test_logits_are_the_same_for_captions_of_any_length(reader, codec, tmp_path, channels: int) -> None:
    whole = whole_musicgen(channels)
    whole.save_pretrained(tmp_path)
    used = codec if channels == 1 else Stereo(inner=codec)
    delays = None if channels == 1 else [0, 0, 1, 1, 2, 2, 3, 3]
    model = our_musicgen(used, reader, pattern=Delay(delays=delays))
    codes = random_codes(2, 30, channels * CODEBOOKS)
    before = model(batch_of(codes, *CAPTIONS)).logits
    MusicgenWeights(path=str(tmp_path)).load(model)
    ours = model(batch_of(codes, *CAPTIONS)).logits
    theirs = their_logits(whole, model, codes, read(reader, *CAPTIONS))
    assert (ours - theirs).abs().max() < 1e-4
    assert (ours - before).abs().max() > 0.1  # what was loaded is what answers
    assert (ours[0] - ours[1]).abs().max() > 1e-2  # and it hears its captions


def test_the_loss_is_the_same(reader, codec, tmp_path) -> None:
    whole = whole_musicgen()
    whole.save_pretrained(tmp_path)
    model = our_musicgen(codec, reader)
    MusicgenWeights(path=str(tmp_path)).load(model)
    batch = batch_of(random_codes(2, 30), *CAPTIONS)
    steps = model.layout(30).lay_out(batch.codes, CARDINALITY)
    words = read(reader, *CAPTIONS)
    with torch.no_grad():
        ours = model.objective(model(batch), batch)[0]
        theirs = whole(
            input_ids=words["input_ids"],
            attention_mask=words["attention_mask"],
            decoder_input_ids=steps[..., :-1].flatten(0, 1),
            labels=steps[..., 1:].transpose(1, 2),
        ).loss
    assert abs(float(ours - theirs)) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_greedy_playing_takes_the_same_tokens_for_256_steps(reader, codec, tmp_path, guidance: float) -> None:
    whole = whole_musicgen()
    whole.save_pretrained(tmp_path)
    model = our_musicgen(codec, reader, seconds=1.0)
    MusicgenWeights(path=str(tmp_path)).load(model)
    played: list[Tensor] = []
    decode = whole.audio_encoder.decode

    def recorded(audio_codes: Tensor, *others, **named):
        played.append(audio_codes[0])
        return decode(audio_codes, *others, **named)

    whole.audio_encoder.decode = recorded
    words = read(reader, *CAPTIONS)
    whole.generate(**words, do_sample=False, guidance_scale=guidance, max_new_tokens=256)
    theirs = played[0]
    frames = theirs.shape[-1]
    assert frames == 256 - CODEBOOKS + 1
    asked = Conditions(text=CAPTIONS)
    sampler = Sampler(temperature=0.0, guidance=guidance)
    ours = Performance(model, asked, frames=frames, sampler=sampler, seed=0).tokens(frames)
    assert torch.equal(ours, theirs)
    assert len(ours.unique()) > 4


@pytest.mark.parametrize("channels", [1, 2])
def test_the_pattern_is_theirs(channels: int) -> None:
    whole, frames = whole_musicgen(channels), 12
    codebooks = channels * CODEBOOKS
    delays = [place // channels for place in range(codebooks)]
    layout = Delay(delays=delays).layout(codebooks, frames)
    start = torch.full((codebooks, 1), CARDINALITY)
    _, mask = whole.decoder.build_delay_pattern_mask(start, CARDINALITY, layout.frame.shape[1])
    assert torch.equal(mask == -1, layout.frame >= 0)


def test_a_codec_gives_the_same_tokens_and_sound(codec) -> None:
    model = encodec()
    wave = 0.5 * torch.randn(1, 1, 1600, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        codes = model.encode(wave).audio_codes
        sound = model.decode(codes, [None]).audio_values
    assert torch.equal(codec.encode(wave), codes[0])
    assert torch.allclose(codec.decode(codes[0]), sound, atol=1e-6)
    assert len(codes.unique()) > 4
