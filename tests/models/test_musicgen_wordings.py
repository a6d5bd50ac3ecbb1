"""Several wordings of one wish, heard by a whole model; and the take that agrees best with its words."""

from __future__ import annotations

import pytest
import torch

from disco.apps.ensembles import Best, Guided, Mean, agreement, best_of
from disco.conditioners.text import Text
from disco.core.batch import CodeBatch, Conditions
from disco.core.contracts import Sampler
from tests.core.test_wordings import Letters
from tests.models.helpers import ToyCodec, musicgen, played, random_head

FRAMES = 12
TEXTS = ["abc", "b", "cab"]


def told_model(**sizes):
    return musicgen(conditioners={"text": Text(width=32, encoder=Letters())}, **sizes)


def asked(count: int = 2) -> Conditions:
    return Conditions(text=(TEXTS[0],) * count)


def tokens(model, conditions: Conditions, sampler: Sampler) -> torch.Tensor:
    return played(model, conditions, FRAMES, sampler, 3)


@pytest.mark.parametrize("ensemble", [Mean(weights=None), Guided(weights=None)], ids=["mean", "guided"])
def test_the_same_words_several_times_are_the_words_once(ensemble) -> None:
    model, sampler = random_head(told_model()), Sampler(guidance=3.0)
    same = [TEXTS[0]] * 3
    plain = tokens(model, asked(), sampler)
    worded = tokens(model, ensemble.tell(asked(), same), ensemble.guide(sampler, same))
    assert torch.equal(worded, plain)


@pytest.mark.parametrize("kind", [Mean, Guided])
def test_a_wording_that_alone_counts_is_that_wording(kind) -> None:
    model, sampler = random_head(told_model()), Sampler(guidance=3.0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "cross_attention" in name or "conditioners" in name:
                weight.mul_(10)  # a random model hardly hears its captions
    ensemble = kind(weights=[0.0, 1.0, 0.0])
    worded = tokens(model, ensemble.tell(asked(), TEXTS), ensemble.guide(sampler, TEXTS))
    assert torch.equal(worded, tokens(model, Conditions(text=(TEXTS[1],) * 2), sampler))
    assert not torch.equal(worded, tokens(model, asked(), sampler))


def test_agreement_is_the_likelihood_told_less_the_likelihood_untold() -> None:
    model = random_head(told_model(seconds=1.0))  # windows of 10 frames
    codes = torch.randint(0, 16, (2, 3, 14), generator=torch.Generator().manual_seed(0))
    found = agreement(model, codes, asked())
    sums = []
    for told in (asked(), asked().silent()):
        logs = []
        for part in (codes[..., :10], codes[..., 10:]):
            valid = torch.full((2,), part.shape[-1])
            logits = model(CodeBatch(codes=part, valid=valid, conditions=told)).logits
            logs.append(-torch.nn.functional.cross_entropy(logits.movedim(-1, 1), part, reduction="none"))
        sums.append(torch.cat(logs, -1).mean((1, 2)))
    assert torch.allclose(found, (sums[0] - sums[1]).double(), atol=1e-5)
    assert torch.equal(agreement(model, codes[1:], asked(1)), found[1:]), "neighbours change nothing"


@pytest.mark.slow
def test_more_takes_to_choose_from_agree_better_with_their_words() -> None:
    """A model that has learnt two classes by their captions, asked softly: the best of 8 beats the first."""
    model = told_model(codec=ToyCodec(num_codebooks=1, cardinality=4))
    codes = torch.tensor([0, 2]).repeat(8)[:, None, None].expand(16, 1, FRAMES)
    codes = codes + torch.randint(0, 2, codes.shape, generator=torch.Generator().manual_seed(0))
    texts = ("a", "b") * 4 + (None,) * 8
    batch = CodeBatch(codes=codes, valid=torch.full((16,), FRAMES), conditions=Conditions(text=texts))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        model.objective(model(batch), batch)[0].backward()
        optimizer.step()
    model.eval()
    best, sampler = Best(of=8), Sampler(guidance=0.2)
    conditions = best.tell(Conditions(text=("a",) * 16), [])
    made = played(model, conditions, FRAMES, sampler, 0)
    kept = best_of(agreement(model, made, conditions), 8)
    right = (made < 2).float().mean((1, 2))
    assert right[kept].mean() > right.mean() + 0.15
    assert right[kept].mean() > 0.85
