"""The score model: causal, deaf to padding, seeded, exact in length, quick to learn a tune."""

import pytest
import torch
from symusic import Note, TimeSignature, Track
from symusic.core import ScoreTick as Score

from disco.conditioners.beats import Beats
from disco.conditioners.tags import Tags
from disco.core.batch import Conditions, ScoreBatch
from disco.core.contracts import Sampler
from disco.errors import DiscoError
from disco.losses.token_ce import TokenCE
from disco.midi.score import note_table
from disco.midi.tokens import Remi
from disco.models.symbolic import Symbolic
from disco.nets.transformer import Rotary


@pytest.fixture(scope="module")
def remi() -> Remi:
    return Remi(positions_per_beat=12)


def build(remi: Remi, *, width: int = 32, length: int = 64, conditioners=None) -> Symbolic:
    torch.manual_seed(0)
    return Symbolic(
        width=width,
        depth=2,
        heads=4,
        dropout=0.0,
        positions=Rotary(max_period=10000.0),
        length=length,
        condition_dropout=0.0,
        tokenizer=remi,
        conditioners=conditioners or {"tags": Tags(width=width, vocabularies={"rhythm": ["reel", "jig"]})},
        terms={"token_ce": TokenCE(weight=1.0)},
        recipe=None,
    )


def said(*rhythms: str | None, tempo: float = 120.0) -> Conditions:
    timing = torch.tensor([[tempo, 4.0, 0.0]]).repeat(len(rhythms), 1)
    return Conditions(text=(None,) * len(rhythms), tags={"rhythm": rhythms}, timing=timing)


def scale(remi: Remi, bars: int) -> list[int]:
    """A scale up and down in quarters, as tokens."""
    score, track = Score(480), Track("", 0, False)
    score.time_signatures.append(TimeSignature(0, 4, 4))
    for beat in range(4 * bars):
        track.notes.append(Note(480 * beat, 480, 60 + [0, 2, 4, 5, 7, 5, 4, 2][beat % 8], 90))
    score.tracks.append(track)
    return [remi.bos, *remi.encode(score), remi.eos]


def batch_of(rows: list[list[int]], remi: Remi, length: int) -> ScoreBatch:
    tokens = torch.full((len(rows), length), remi.pad)
    for row, one in zip(tokens, rows, strict=True):
        row[: len(one)] = torch.tensor(one)
    return ScoreBatch(
        tokens=tokens, valid=torch.tensor([len(one) for one in rows]), conditions=said(*["reel"] * len(rows))
    )


def test_no_token_is_foretold_by_what_comes_later(remi) -> None:
    model, tokens = build(remi).eval(), torch.randint(3, 300, (1, 20))
    other = tokens.clone()
    other[0, 10:] = 7
    batches = [
        ScoreBatch(tokens=t, valid=torch.tensor([20]), conditions=said("reel")) for t in (tokens, other)
    ]
    first, second = (model(batch).logits[0, 0] for batch in batches)
    assert torch.allclose(first[:10], second[:10], atol=1e-6)
    assert not torch.allclose(first[10], second[10], atol=1e-3)


def test_padding_changes_nothing(remi) -> None:
    model, row = build(remi).eval(), scale(remi, 1)
    short, long = (batch_of([row], remi, length) for length in (len(row), len(row) + 9))
    assert torch.allclose(
        model.objective(model(short), short)[0], model.objective(model(long), long)[0], atol=1e-5
    )


@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_an_item_does_not_depend_on_its_neighbours(remi, guidance) -> None:
    model, sampler = build(remi).eval(), Sampler(guidance=guidance)
    both = model._write(said("reel", "jig"), [0.5, 0.25], sampler, 3)
    assert both[:1] == model._write(said("reel"), [0.5], sampler, 3)
    assert both[1] == model._write(said(None, "jig"), [0.25, 0.25], sampler, 3)[1]
    assert both != model._write(said("reel", "jig"), [0.5, 0.25], sampler, 4)


def test_guidance_identities(remi) -> None:
    model = build(remi).eval()
    told = model._write(said("reel"), [0.5], Sampler(guidance=1.0), 3)
    untold = model._write(said("reel"), [0.5], Sampler(guidance=0.0), 3)
    assert told == model._write(said("reel"), [0.5], Sampler(guidance=1.0 + 1e-7), 3)
    assert untold == model._write(said(None), [0.5], Sampler(), 3)
    assert told != untold


@pytest.mark.slow
def test_a_learned_scale_is_played_back_at_the_asked_length_and_tempo(remi) -> None:
    """Longer than the model's memory of 64 tokens, at two tempi."""
    model, row = build(remi, width=64).train(), scale(remi, 16)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(150):
        starts = [
            0,
            *torch.randint(0, len(row) - 64, (7,), generator=torch.Generator().manual_seed(step)).tolist(),
        ]
        batch = batch_of([row[s : s + 64] for s in starts], remi, 64)
        loss = model.objective(model(batch), batch)[0]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for tempo in (60.0, 120.0):
        (score,) = model.generate(
            said("reel", tempo=tempo), seconds=12.0, sampler=Sampler(temperature=0.0), seed=0
        )
        notes = note_table(score)
        assert len(notes) == round(12 * tempo / 60)
        assert notes.offset[-1] == pytest.approx(12.0, abs=0.01)
        assert notes.pitch.tolist() == [60 + [0, 2, 4, 5, 7, 5, 4, 2][i % 8] for i in range(len(notes))]


def test_an_untrained_model_stops_and_keeps_within_the_seconds(remi) -> None:
    model = build(remi).train()
    scores = model.generate(said("reel", None), seconds=1.0, sampler=Sampler(), seed=0)
    assert len(scores) == 2
    assert all(note_table(score).offset.max(initial=0.0) <= 1.0 + 1e-6 for score in scores)
    assert model.training


def test_what_adds_to_frames_is_refused(remi) -> None:
    model = build(
        remi, conditioners={"beats": Beats(width=32, per_quarter=4, per_quarter_in_bar=4, longest_bar=4)}
    )
    with pytest.raises(DiscoError, match="frames"):
        model(batch_of([scale(remi, 1)], remi, 32))
