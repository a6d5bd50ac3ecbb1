"""What a step hears is dropped in training only, and on average it hears the same."""

from __future__ import annotations

import pytest
import torch

from disco.nets.attention import Attention
from disco.nets.transformer import Decoder, Rotary
from tests.contracts.models import FAMILIES, build_tiny


def heads(dropout: float) -> Attention:
    torch.manual_seed(0)
    attention = Attention(width=8, heads=2, bias=False)
    attention.dropout = dropout
    return attention


def test_on_average_as_much_is_heard() -> None:
    attention = heads(0.5)
    query, key, value = (torch.randn(1, 2, 5, 4) for _ in range(3))
    calm = attention.eval().attend(query, key, value, None, causal=True)
    attention.train()
    with torch.no_grad():
        drawn = torch.cat([attention.attend(query, key, value, None, causal=True) for _ in range(4000)])
    assert drawn.std(0).max() > 0.1
    error = drawn.std(0) / 4000**0.5
    assert ((drawn.mean(0) - calm[0]).abs() < 5 * error + 1e-6).all()


def test_the_first_step_hears_itself_twice_or_not_at_all() -> None:
    attention = heads(0.5)
    query, key, value = (torch.randn(1, 2, 1, 4) for _ in range(3))
    with torch.no_grad():
        drawn = torch.stack([attention.attend(query, key, value, None, causal=True) for _ in range(40)])
        each = [value.clone(), value.clone()]
        each[0][:, 1], each[1][:, 0] = 0.0, 0.0
        one, other = (2 * attention.out(part.transpose(1, 2).flatten(-2)) for part in each)
    told = {
        next(name for name, sound in wanted.items() if torch.allclose(row, sound, atol=1e-6))
        for row in drawn
        if (wanted := {"none": 0 * one, "first": one, "second": other, "both": one + other})
    }
    assert told == {"none", "first", "second", "both"}


def test_nothing_is_dropped_outside_training() -> None:
    x = torch.randn(1, 6, 16)
    made = []
    for dropout in (0.0, 0.4):
        torch.manual_seed(0)
        net = Decoder(
            width=16, depth=2, heads=2, dropout=0.0, attention_dropout=dropout, bias=False, cross=False,
            positions=Rotary(max_period=1e4),
        )  # fmt: skip
        made.append(net.eval()(x))
        assert torch.equal(net.train()(x), made[-1]) == (dropout == 0.0)
    assert torch.equal(*made)


@pytest.mark.parametrize("family", ["musicgen", "symbolic"])
def test_a_model_passes_it_on(family, composed) -> None:
    module = build_tiny(composed("train", *FAMILIES[family], "model.attention_dropout=0.1"))
    drops = {part.dropout for part in module.modules() if isinstance(part, Attention)}
    assert drops == {0.1}
