"""Several wordings of one wish: their mean, and guidance towards each of them."""

from __future__ import annotations

import pytest
import torch

from disco.apps.ensembles import Best, Guided, Mean, best_of
from disco.conditioners.text import Text
from disco.core.batch import Conditions
from disco.core.conditioning import told
from disco.core.contracts import Sampler
from disco.core.wordings import HEARD_AS, Wordings, blend, shares_of
from disco.nets.guidance import EVERYTHING, NOTHING, Guidance, InWords, Plain, Projected, Worded


class Letters:
    """An encoder that says a vector per letter."""

    width = 2

    def read(self, caption: str) -> torch.Tensor:
        return torch.tensor([[float(ord(one)), 1.0] for one in caption]).reshape(-1, 2)


def wished(*texts: str, weights: list[float] | None = None) -> Conditions:
    return Mean(weights=weights).tell(Conditions(text=(texts[0],) * 2, tags={"key": ("Dmaj",) * 2}), texts)


def test_the_mean_is_place_by_place_and_as_long_as_the_longest() -> None:
    a, b = torch.tensor([[1.0], [3.0], [5.0]]), torch.tensor([[5.0]])
    assert blend([a, b], (0.5, 0.5)).tolist() == [[3.0], [3.0], [5.0]]
    assert blend([a, b], (0.25, 0.75)).tolist() == [[4.0], [3.0], [5.0]]
    assert torch.allclose(blend([a, a, a], shares_of(None, 3)), a)
    assert torch.equal(blend([a, b], (0.0, 1.0)), b), "what counts nothing adds no length"
    assert torch.equal(blend([a], (1.0,)), a)
    assert blend([torch.zeros(0, 1)], (1.0,)).shape == (0, 1)


def test_text_hears_the_mean_and_silence_silences_it() -> None:
    text = Text(width=2, encoder=Letters())
    with torch.no_grad():
        text.project.weight.copy_(torch.eye(2))
        text.project.bias.zero_()
    heard = text(wished("ac", "c"), 1, 1.0).cross
    assert heard is not None
    assert torch.allclose(heard[0], torch.tensor([[98.0, 1.0], [99.0, 1.0]]))
    alone = text(wished("ac", "ac"), 1, 1.0).cross
    plain = text(Conditions(text=("ac", "ac")), 1, 1.0).cross
    assert alone is not None
    assert plain is not None
    assert torch.allclose(alone, plain)
    for silent in (wished("ac", "c").silent(), wished("ac", "c").without(["text"], torch.ones(2) > 0)):
        mask = text(silent, 1, 1.0).cross_mask
        assert mask is not None
        assert not mask.any()


def test_guidance_towards_wordings_is_its_formula() -> None:
    chain = Worded(weight=3.0, shares=(0.25, 0.75))
    assert chain.passes == (EVERYTHING, InWords(0), InWords(1))
    zero, one, two = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0)).unbind()
    joined = chain.join(torch.stack([zero, one, two]))
    assert torch.allclose(joined, zero + 3 * (0.25 * (one - zero) + 0.75 * (two - zero)), atol=1e-6)
    same = chain.join(torch.stack([zero, one, one]))
    assert torch.allclose(same, Plain(weight=3.0).join(torch.stack([zero, one])), atol=1e-6)
    assert torch.equal(Worded(weight=0.0, shares=(1.0,)).join(zero[None]), zero)
    shaped = Guidance(chain, [Projected(parallel=0.0, most=0.0)])
    assert shaped.passes == (*chain.passes, NOTHING)


def test_each_pass_is_told_its_wording() -> None:
    chain = Worded(weight=2.0, shares=(0.5, 0.5))
    rows = told(wished("ac", "c"), chain.passes)
    said = [None if one is None else one.texts for one in rows.given[HEARD_AS]]  # type: ignore[union-attr]
    assert said == [None, None, ("ac",), ("ac",), ("c",), ("c",)]
    assert list(rows.tags["key"]) == [None, None, *["Dmaj"] * 4], "and the rest as it is"


def test_ensembles_guide_as_they_say() -> None:
    sampler = Sampler(guidance=2.0)
    assert Mean(weights=None).guide(sampler, ["a", "b"]) is sampler
    guided = Guided(weights=[1, 3]).guide(sampler, ["a", "b"]).guide
    assert guided.chain.weights == (1.0, 0.5, 1.5)


def test_the_best_of_several_goes_through_the_wordings() -> None:
    best = Best(of=3)
    rows = best.tell(Conditions(text=("a", "a"), tags={"key": ("C", "D")}), ["a", "b"])
    assert list(rows.text) == ["a", "b", "a", "a", "b", "a"]
    assert list(rows.tags["key"]) == ["C"] * 3 + ["D"] * 3
    assert best_of(torch.tensor([0.0, 2.0, 1.0, 5.0, 5.0, 4.0], dtype=torch.float64), 3) == [1, 3]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: shares_of([1.0], 2), "1 weights for 2 wordings"),
        (lambda: shares_of([0.0, 0.0], 2), "not all 0"),
        (lambda: shares_of([1.0, -1.0], 2), "0 or more"),
        (lambda: Wordings((), ()), "0 shares for 0"),
        (lambda: Wordings(("a",), (0.5,)), "sum to 1"),
        (lambda: Mean(weights=None).tell(Conditions(text=(None,)), []), "nothing is said"),
    ],
)
def test_what_means_nothing_is_refused(make, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()
