"""Guidance: exact at its ends, each piece harmless where it is told to be, pieces that add up."""

import pytest
import torch

from disco.nets.guidance import (
    EVERYTHING,
    NOTHING,
    Double,
    Guidance,
    Interval,
    Plain,
    Projected,
    Rescaled,
    Several,
)

TEXT = frozenset({"text"})


def logits(passes: int) -> torch.Tensor:
    """Rows of two items per pass."""
    return torch.randn(2 * passes, 3, 11, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "chain",
    [
        Plain,
        lambda weight: Double(weight=weight, text=1.0),
        lambda weight: Several(weight=weight, weights={}),
    ],
)
def test_weight_1_is_the_conditional_model_and_0_the_unconditional_one(chain) -> None:
    assert chain(weight=1.0).passes == (NOTHING,)
    assert chain(weight=0.0).passes == (EVERYTHING,)
    rows = logits(1)
    assert torch.equal(Guidance(chain(weight=1.0))(rows, 0.0), rows)


def test_plain_guidance_is_its_formula() -> None:
    untold, told = (rows := logits(2)).chunk(2)
    assert torch.equal(Guidance(Plain(weight=3.0))(rows, 0.0), untold + 3 * (told - untold))


def test_double_guidance_is_its_formula() -> None:
    """Equation 2 of the style paper: un + a (style + b (both - style) - un)."""
    double = Guidance(Double(weight=3.0, text=5.0))
    assert double.passes == (EVERYTHING, TEXT, NOTHING)
    untold, style, both = (rows := logits(3)).chunk(3)
    wanted = untold + 3 * (style + 5 * (both - style) - untold)
    assert torch.allclose(double(rows, 0.0), wanted, atol=1e-5)


def test_double_guidance_that_weighs_words_like_all_else_is_plain() -> None:
    assert Double(weight=3.0, text=1.0).passes == Plain(weight=3.0).passes
    assert Double(weight=3.0, text=0.0).passes == (EVERYTHING, TEXT)


def test_several_conditions_are_told_one_after_the_other() -> None:
    several = Guidance(Several(weight=2.0, weights={"key": 3.0, "text": 4.0}))
    assert several.passes == (EVERYTHING, frozenset({"key", "text"}), TEXT, NOTHING)
    untold, rest, key, both = (rows := logits(4)).chunk(4)
    wanted = untold + 2 * (rest - untold) + 3 * (key - rest) + 4 * (both - key)
    assert torch.allclose(several(rows, 0.0), wanted, atol=1e-5)
    assert Several(weight=1.0, weights={"key": 1.0, "text": 1.0}).passes == (NOTHING,)
    assert Several(weight=0.0, weights={"key": 0.0}).passes == (EVERYTHING,)


@pytest.mark.parametrize(
    "shaper",
    [Interval(start=0.0, stop=1.0), Rescaled(share=0.0), Projected(parallel=1.0, most=0.0)],
    ids=lambda shaper: type(shaper).__name__,
)
def test_a_shaper_at_its_identity_changes_nothing(shaper) -> None:
    rows = logits(2)
    plain = Guidance(Plain(weight=3.0))
    for progress in (0.0, 0.5, 1.0):
        shaped = Guidance(Plain(weight=3.0), [shaper])(rows, progress)
        assert torch.allclose(shaped, plain(rows, progress), atol=1e-5)


@pytest.mark.parametrize(
    "shaper",
    [Interval(start=0.2, stop=0.7), Rescaled(share=0.5), Projected(parallel=0.0, most=1.0)],
    ids=lambda shaper: type(shaper).__name__,
)
def test_weight_1_stays_the_conditional_model_under_every_shaper(shaper) -> None:
    rows = logits(1)
    assert torch.allclose(Guidance(Plain(weight=1.0), [shaper])(rows, 0.5), rows, atol=1e-5)


def test_shapers_hear_the_conditional_model_even_where_the_chain_does_not_ask_it() -> None:
    off = Guidance(Plain(weight=0.0), [Interval(start=0.5, stop=1.0)])
    assert off.passes == (EVERYTHING, NOTHING)
    untold, told = (rows := logits(2)).chunk(2)
    assert torch.equal(off(rows, 0.1), told)
    assert torch.equal(off(rows, 0.6), untold)


def test_rescaled_logits_have_the_spread_of_the_conditional_ones() -> None:
    _, told = (rows := logits(2)).chunk(2)
    whole = Guidance(Plain(weight=5.0), [Rescaled(share=1.0)])(rows, 0.0)
    assert torch.allclose(whole.std(-1), told.std(-1), atol=1e-5)
    plain = Guidance(Plain(weight=5.0))(rows, 0.0)
    assert (whole.argsort(-1) == plain.argsort(-1)).all(), "the order of the tokens stays"


def test_projection_leaves_nothing_along_the_conditional_logits() -> None:
    _, told = (rows := logits(2)).chunk(2)
    change = Guidance(Plain(weight=4.0), [Projected(parallel=0.0, most=0.0)])(rows, 0.0) - told
    centred = told - told.mean(-1, keepdim=True)
    assert (change * centred).sum(-1).abs().max() < 1e-4
    assert change.norm(dim=-1).min() > 0.1


def test_projection_bounds_the_change() -> None:
    _, told = (rows := logits(2)).chunk(2)
    change = Guidance(Plain(weight=9.0), [Projected(parallel=1.0, most=0.5)])(rows, 0.0) - told
    assert torch.allclose(change.norm(dim=-1), torch.tensor(0.5), atol=1e-4)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Plain(weight=-1.0), "0 or more, not -1"),
        (lambda: Plain(weight=float("nan")), "0 or more, not nan"),
        (lambda: Several(weight=1.0, weights={"key": -2.0}), "not -2"),
        (lambda: Interval(start=0.7, stop=0.2), "in this order"),
        (lambda: Rescaled(share=2.0), "from 0 to 1"),
        (lambda: Projected(parallel=2.0, most=0.0), "from 0 to 1"),
    ],
)
def test_weights_that_mean_nothing_are_refused(make, says) -> None:
    with pytest.raises(ValueError, match=says):
        make()
