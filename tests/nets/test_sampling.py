"""Drawing tokens: the right frequencies, the right candidates, the right independence."""

import pytest
import torch

from disco.nets.sampling import draw, keep_likely

PLAIN = {"temperature": 1.0, "top_k": 0, "top_p": 1.0}


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_draws_follow_the_softmax() -> None:
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    drawn = draw(logits.expand(1, 40_000, 4), generators(0), **PLAIN)
    assert torch.allclose(drawn.flatten().bincount() / 40_000, logits.exp(), atol=0.01)


def test_temperature_sharpens_and_zero_is_greedy() -> None:
    logits = torch.tensor([0.4, 0.6]).log().expand(1, 20_000, 2)
    half = draw(logits, generators(0), temperature=0.5, top_k=0, top_p=1.0).float().mean()
    assert half.item() == pytest.approx(0.36 / 0.52, abs=0.02)
    assert (draw(logits, generators(0), temperature=0.0, top_k=0, top_p=1.0) == 1).all()


def test_top_k_keeps_the_k_best() -> None:
    logits = torch.tensor([[1.0, 4.0, 3.0, 2.0]])
    assert keep_likely(logits, top_k=2, top_p=1.0).isfinite().tolist() == [[False, True, True, False]]
    assert torch.equal(keep_likely(logits, top_k=0, top_p=1.0), logits)
    assert torch.equal(keep_likely(logits, top_k=9, top_p=1.0), logits)


def test_top_p_keeps_the_fewest_that_reach_it() -> None:
    logits = torch.tensor([[0.1, 0.5, 0.1, 0.3]]).log()
    assert keep_likely(logits, top_k=0, top_p=0.6).isfinite().tolist() == [[False, True, False, True]]
    assert keep_likely(logits, top_k=0, top_p=0.0).isfinite().tolist() == [[False, True, False, False]]


def test_an_item_depends_on_its_own_generator_alone() -> None:
    logits = torch.randn(2, 4, 30)
    both = draw(logits, generators(5, 6), **PLAIN)
    assert torch.equal(both[1:], draw(logits[1:], generators(6), **PLAIN))
    assert not torch.equal(draw(logits, generators(5, 7), **PLAIN)[1], both[1])
