"""Cross-entropy of tokens: by hand, per codebook, over valid steps only."""

import math

import pytest
import torch

from disco.core.batch import Conditions, ScoreBatch
from disco.core.outputs import Outputs, per_codebook
from disco.losses.token_ce import TokenCE

BATCH = ScoreBatch(
    tokens=torch.zeros(1, 1).long(), valid=torch.ones(1).long(), conditions=Conditions(text=(None,))
)


def out_of(logits: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor | None = None) -> Outputs:
    return Outputs(
        logits=logits, targets=targets, mask=torch.ones_like(targets).bool() if mask is None else mask
    )


def test_uniform_logits_cost_the_log_of_the_vocabulary() -> None:
    out = out_of(torch.zeros(2, 3, 4, 10), torch.randint(0, 10, (2, 3, 4)))
    assert TokenCE(weight=1.0)(out, BATCH).item() == pytest.approx(math.log(10))


def test_sure_and_right_costs_nothing() -> None:
    targets = torch.randint(0, 5, (2, 2, 6))
    logits = 100.0 * torch.nn.functional.one_hot(targets, 5).float()
    assert TokenCE(weight=1.0)(out_of(logits, targets), BATCH).item() == pytest.approx(0.0, abs=1e-6)


def test_each_codebook_weighs_the_same_however_many_steps_it_has() -> None:
    logits, targets = torch.randn(1, 2, 4, 5), torch.randint(0, 5, (1, 2, 4))
    mask = torch.tensor([[[True] * 4, [True, False, False, False]]])
    nats = -logits.log_softmax(-1).gather(-1, targets[..., None])[..., 0][0]
    wanted = torch.stack([nats[0].mean(), nats[1, 0]])
    assert torch.allclose(per_codebook(out_of(logits, targets, mask)), wanted, atol=1e-6)
    assert torch.allclose(TokenCE(weight=2.0)(out_of(logits, targets, mask), BATCH), wanted.mean(), atol=1e-6)


def test_what_is_masked_has_no_say() -> None:
    logits, targets = torch.randn(1, 1, 4, 5), torch.randint(0, 5, (1, 1, 4))
    mask = torch.tensor([[[True, True, False, False]]])
    louder = logits.clone()
    louder[..., 2:, :] = 1e4
    term = TokenCE(weight=1.0)
    assert torch.equal(term(out_of(logits, targets, mask), BATCH), term(out_of(louder, targets, mask), BATCH))


def test_nothing_valid_costs_nothing_and_gradients_are_finite() -> None:
    logits = torch.randn(1, 2, 4, 5, requires_grad=True)
    loss = TokenCE(weight=1.0)(
        out_of(logits, torch.zeros(1, 2, 4).long(), torch.zeros(1, 2, 4).bool()), BATCH
    )
    loss.backward()
    assert loss.item() == 0.0
    assert logits.grad.isfinite().all()
