"""MusicGen: causal over codebooks, deaf to padding, guided, seeded, exact in length and size."""

import pytest
import torch

from disco.audio.clip import Clip
from disco.conditioners.text import Text
from disco.core.batch import Conditions
from disco.core.contracts import Sampler
from disco.errors import DiscoError
from disco.nets.ngram import log_transitions, transition_counts
from disco.nets.patterns import CoarseFirst, Delay, Flatten, Parallel
from disco.nets.prior import STEP, contexts_of
from disco.nets.transformer import Sinusoidal
from tests.models.helpers import ToyCodec, batch_of, conditions, markov_codes, musicgen, played, random_head

PATTERNS = [Delay(delays=None), Delay(delays=[0, 0, 1]), Parallel(), Flatten(), CoarseFirst(delays=None)]
PLAIN = Sampler()


@pytest.mark.parametrize("prior", [False, True])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_no_token_is_foretold_by_itself_or_by_what_comes_later(pattern, prior) -> None:
    model, codes = musicgen(pattern=pattern, prior=prior), markov_codes(1, 6)
    if prior:
        model.prepare_fit([batch_of(markov_codes(12, 30))])
    random_head(model)
    step = pattern.layout(3, 6).step
    before = model(batch_of(codes)).logits
    for codebook, frame in [(0, 3), (1, 2), (2, 4)]:
        other = codes.clone()
        other[0, codebook, frame] = (other[0, codebook, frame] + 5) % 16
        moved = (model(batch_of(other)).logits - before)[0].abs().amax(-1) > 1e-6
        assert not moved[step <= step[codebook, frame]].any()
        assert moved[step > step[codebook, frame]].any()


@pytest.mark.parametrize("prior", [False, True])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_playing_step_by_step_hears_what_training_hears(pattern, prior) -> None:
    """Greedy tokens are the best ones of a teacher-forced pass over themselves."""
    model = musicgen(pattern=pattern, prior=prior)
    if prior:
        model.prepare_fit([batch_of(markov_codes(12, 30))])
    random_head(model)
    (clip,) = model.generate(conditions("reel"), seconds=1.2, sampler=Sampler(temperature=0.0), seed=0)
    codes = played(model, conditions("reel"), 12, Sampler(temperature=0.0), 0)
    again = model(batch_of(codes)).logits.argmax(-1)
    assert torch.equal(again, codes)
    assert torch.equal(clip.wave, Clip(model.codec.decode(codes)[0], clip.rate).within_full_scale().wave)


def test_padding_changes_nothing() -> None:
    model, codes = random_head(musicgen()), markov_codes(2, 9)
    longer = torch.cat([codes, torch.zeros(2, 3, 5, dtype=torch.long)], -1)
    batch, longer_batch = batch_of(codes), batch_of(longer, [9, 9])
    short, padded = model(batch), model(longer_batch)
    assert torch.allclose(padded.logits[..., :9, :], short.logits, atol=1e-5)
    assert torch.allclose(
        model.objective(padded, longer_batch)[0], model.objective(short, batch)[0], atol=1e-5
    )


def test_the_clock_reaches_the_frame_that_it_is_about() -> None:
    model, codes = random_head(musicgen()), markov_codes(1, 8)
    table = model.conditioners["beats"].beat_embedding.weight
    out = model(batch_of(codes)).logits[0, 0, :, 0]
    # At 10 frames per second and 120 bpm frame 1 stands at 16 · 0.2 = 3.2 of a quarter: row 1 + 3.
    (gradient,) = torch.autograd.grad(out[1], table)
    assert gradient[4].abs().sum() > 0
    assert gradient[1 + round(6.4)].abs().sum() == 0, "frame 2 is not foretold yet"


def test_guidance_identities() -> None:
    model = random_head(musicgen())
    asked = conditions("reel", "jig")
    told = played(model, asked, 8, Sampler(guidance=1.0), 3)
    untold = played(model, asked, 8, Sampler(guidance=0.0), 3)
    assert torch.equal(played(model, asked, 8, Sampler(guidance=1.0 + 1e-7), 3), told)
    assert torch.equal(played(model, asked, 8, Sampler(guidance=1e-7), 3), untold)
    assert torch.equal(played(model, asked.silent(), 8, PLAIN, 3), untold)
    assert not torch.equal(told, untold)


@pytest.mark.parametrize("guidance", [1.0, 2.5])
def test_an_item_does_not_depend_on_its_neighbours(guidance) -> None:
    model = random_head(musicgen())
    sampler = Sampler(guidance=guidance, top_k=8)
    both = model.generate(conditions("reel", "jig"), seconds=1.0, sampler=sampler, seed=4)
    alone = model.generate(conditions("reel"), seconds=1.0, sampler=sampler, seed=4)
    other = model.generate(conditions(None, "jig"), seconds=1.0, sampler=sampler, seed=4)
    assert torch.equal(both[0].wave, alone[0].wave)
    assert torch.equal(both[1].wave, other[1].wave)
    assert not torch.equal(
        both[0].wave, model.generate(conditions("reel"), seconds=1.0, sampler=sampler, seed=5)[0].wave
    )


@pytest.mark.parametrize("seconds", [0.3, 1.0, 1.23, 2.0])
def test_clips_have_exactly_the_asked_length(seconds) -> None:
    model = musicgen().train()
    clips = model.generate(conditions("reel", None), seconds=seconds, sampler=PLAIN, seed=0)
    assert [clip.wave.shape for clip in clips] == [(1, round(50 * seconds))] * 2
    assert model.training


def test_delays_that_do_not_fit_the_codec_are_refused_at_once() -> None:
    with pytest.raises(DiscoError, match="2 delays for 3 codebooks"):
        musicgen(pattern=Delay(delays=[0, 1]))


def test_neither_codec_nor_text_encoder_is_saved_or_trained() -> None:
    encoder = ToyEncoder()
    model = musicgen(conditioners={"text": Text(width=32, encoder=encoder)})
    ours = {id(p) for p in model.parameters()}
    assert not ours & {id(model.codec.weight), id(encoder.table.weight)}
    assert all(
        name.startswith(("conditioners.text.project", "embedding", "decoder", "head"))
        for name in model.state_dict()
    )


def test_a_few_steps_learn_a_tiny_batch() -> None:
    model, batch = musicgen(width=48).train(), batch_of(markov_codes(4, 20))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(60):
        loss = model.objective(model(batch), batch)[0]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_with_a_prior_the_first_step_is_the_counted_table() -> None:
    model = musicgen(prior=True).eval()
    codes = markov_codes(40, 50)
    model.prepare_fit([batch_of(codes[:20]), batch_of(codes[20:])])
    fresh = markov_codes(4, 30, seed=9)
    logits = model(batch_of(fresh)).logits
    before = torch.nn.functional.pad(codes[:, 0, :-1], (1, 0), value=16)
    table = log_transitions(transition_counts(before.flatten(), codes[:, 0].flatten(), 17, 16))
    wanted = table[contexts_of(fresh, 16)[0][:, 0]]
    assert torch.allclose(logits[:, 0].double(), wanted, atol=0.51 * STEP)


def test_the_prior_finds_that_fine_codebooks_follow_coarse_ones() -> None:
    fresh = batch_of(markov_codes(4, 30, seed=9))
    model, blind = musicgen(prior=True), musicgen(prior=True, pattern=Parallel())
    for each in (model, blind):
        each.prepare_fit([batch_of(markov_codes(40, 50))])
    assert model.prior.weights[:, 1].tolist()[0] == 0.0
    assert model.prior.weights[1:, 1].min() >= 0.6
    assert blind.prior.weights.tolist() == [[1.0, 0.0]] * 3
    # 0.8 sure of one token, the rest even: 0.93 nats; without the coarser codebook near log 16 = 2.77.
    nats, blind_nats = (list(each.measures(each.eval()(fresh)).values()) for each in (model, blind))
    assert max(nats) < 1.6 < 2.0 < min(blind_nats[1:])


def test_tokens_that_were_counted_are_as_surprising_in_training_as_new_ones() -> None:
    """Each piece is played twice, as dances are, so that the tables have seen every token again."""
    codes = markov_codes(60, 25, cardinality=64)
    model = musicgen(prior=True, codec=ToyCodec(cardinality=64))
    model.prepare_fit([batch_of(torch.cat([codes, codes], -1))])
    fresh = batch_of(markov_codes(40, 50, cardinality=64, seed=9))
    known = batch_of(torch.cat([codes, codes], -1)[:40])
    new = float(model.eval().objective(model(fresh), fresh)[0].detach())
    flattered = float(model.objective(model(known), known)[0].detach())
    trained_on = float(model.train().objective(model(known), known)[0].detach())
    assert flattered < 0.8 * new
    assert abs(trained_on - new) < 0.3 * abs(flattered - new)


def test_the_prior_travels_with_the_weights() -> None:
    model, other = musicgen(prior=True), musicgen(prior=True)
    model.prepare_fit([batch_of(markov_codes(20, 50))])
    other.load_state_dict(model.state_dict())
    batch = batch_of(markov_codes(2, 9))
    assert torch.equal(model.eval()(batch).logits, other.eval()(batch).logits)


def test_measures_are_per_codebook() -> None:
    model, batch = musicgen(), batch_of(markov_codes(2, 9), [9, 4])
    out = model.eval()(batch)
    measures = model.measures(out)
    assert list(measures) == ["val/ce/0", "val/ce/1", "val/ce/2"]
    assert torch.allclose(sum(measures.values()) / 3, model.objective(out, batch)[0])


@pytest.mark.parametrize("counts", [False, True])
@pytest.mark.parametrize("pattern", [Delay(delays=None), Flatten(), CoarseFirst(delays=None)])
def test_training_makes_no_logits_and_learns_what_they_would_teach(pattern, counts) -> None:
    model, batch = random_head(musicgen(prior=counts, pattern=pattern)), batch_of(markov_codes(2, 9), [9, 4])
    model.prepare_fit([batch])

    def taught() -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        model.zero_grad()
        out = model(batch)
        assert (out.logits is None) == (out.nats is not None)
        loss, _ = model.objective(out, batch)
        (3 * loss).backward()
        return loss.detach(), {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}

    lean, leanly = taught()
    model.objective.terms["token_ce"].spares = frozenset()  # as a loss that reads logits
    plain, plainly = taught()
    torch.testing.assert_close(lean, plain, atol=0, rtol=1e-6)
    assert leanly.keys() == plainly.keys()
    assert "head.weight" in leanly
    for name, gradient in plainly.items():
        torch.testing.assert_close(leanly[name], gradient, atol=1e-6, rtol=1e-4, msg=name)


def test_dropout_of_conditions_is_drawn_per_item() -> None:
    model = random_head(musicgen())
    model.condition_dropout = 0.5
    codes = markov_codes(1, 5).repeat(32, 1, 1)
    batch = batch_of(codes)
    same = Conditions(text=(None,) * 32, tags={"rhythm": ("reel",) * 32}, timing=batch.conditions.timing)
    with torch.no_grad():
        out = model.train()(type(batch)(codes=codes, valid=batch.valid, conditions=same)).logits
    kinds = {round(float(row.double().sum()), 4) for row in out}
    assert len(kinds) == 2


class ToyEncoder(torch.nn.Module):
    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.width = width
        self.table = torch.nn.Embedding(256, width)

    def read(self, caption: str) -> torch.Tensor:
        return self.table(torch.tensor(list(caption.encode())))


def test_captions_of_any_length_share_a_batch() -> None:
    model = random_head(musicgen(conditioners={"text": Text(width=32, encoder=ToyEncoder())}))
    model.decoder.positions = Sinusoidal(max_period=10000.0)
    captions = ["a jig", None, "a very much longer caption of a reel"]
    together = played(model, Conditions(text=captions), 8, Sampler(guidance=2.0), 1)
    alone = played(model, Conditions(text=captions[:1]), 8, Sampler(guidance=2.0), 1)
    assert torch.equal(together[:1], alone)
