"""The lean cross-entropy is PyTorch's, in value and gradient."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from disco.nets import cross_entropy as module
from disco.nets import head_cross_entropy as fused
from disco.nets.cross_entropy import cross_entropy
from disco.nets.head_cross_entropy import head_cross_entropy
from disco.nets.patterns import CoarseFirst, Delay, Flatten, Picked


@pytest.mark.parametrize("at_once", [1, 100, 2**22])
def test_it_equals_pytorchs(monkeypatch, at_once) -> None:
    monkeypatch.setattr(module, "AT_ONCE", at_once)
    logits = 5 * torch.randn(2, 3, 7, 11)
    logits[0, 0, 0, 4] = -1e9
    targets = torch.randint(11, (2, 3, 7))
    targets[0, 0, 0] = 4
    weights = torch.rand(2, 3, 7)
    weights[1, 2] = 0.0
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    nats = cross_entropy(ours, targets)
    expected = F.cross_entropy(theirs.flatten(0, -2), targets.flatten(), reduction="none").view_as(targets)
    torch.testing.assert_close(nats, expected, atol=1e-5, rtol=1e-6)
    (nats * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-6, rtol=1e-5)


def test_half_precision_is_summed_in_float32() -> None:
    logits = torch.randn(4, 2048, dtype=torch.bfloat16).requires_grad_()
    targets = torch.randint(2048, (4,))
    nats = cross_entropy(logits, targets)
    assert nats.dtype == torch.float32
    torch.testing.assert_close(nats, F.cross_entropy(logits.float(), targets, reduction="none"))
    nats.sum().backward()
    assert logits.grad.dtype == torch.bfloat16


PATTERNS = [Delay(delays=None), Delay(delays=[0, 2, 1]), Flatten(), CoarseFirst(delays=None)]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_picking_places_has_the_gradient_of_indexing(pattern) -> None:
    layout = pattern.layout(3, 5)
    values = torch.randn(2, 3, layout.frame.shape[1] - 1, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: Picked.apply(x, layout.places()), values)


def head_case(kind: torch.dtype = torch.float32) -> tuple[torch.Tensor, ...]:
    hidden = torch.randn(2, 7, 16, dtype=kind)
    weight = torch.randn(3 * 11, 16, dtype=kind)
    mask = torch.arange(5).expand(2, 3, 5) < torch.tensor([[[5], [5], [2]], [[3], [5], [0]]])
    return hidden, weight, torch.randint(11, (2, 3, 5)), mask, torch.randn(2, 3, 5, 11)


def plain_head(hidden, weight, targets, mask, prior) -> torch.Tensor:
    logits = F.linear(hidden, weight).unflatten(-1, (3, 11)).transpose(1, 2)
    logits = Picked.apply(logits, Delay(delays=None).layout(3, 5).places()) + prior
    nats = F.cross_entropy(logits.flatten(0, -2).float(), targets.flatten(), reduction="none").view_as(mask)
    return ((nats * mask).sum((0, 2)) / mask.sum((0, 2)).clamp(min=1)).mean()


@pytest.mark.parametrize("at_once", [1, 40, 2**22])
@pytest.mark.parametrize("frozen", [None, "hidden", "weight"])
def test_head_and_loss_in_one_equal_one_after_the_other(monkeypatch, at_once, frozen) -> None:
    monkeypatch.setitem(fused.AT_ONCE, "cpu", at_once)
    *both, targets, mask, prior = head_case()
    ours, theirs = ([one.clone().requires_grad_() for one in both] for _ in range(2))
    for pair in (ours, theirs):
        pair[0].requires_grad_(frozen != "hidden")
        pair[1].requires_grad_(frozen != "weight")
    places = Delay(delays=None).layout(3, 5).places()
    loss = head_cross_entropy(*ours, targets, mask, places, lambda k: prior[:, k])
    expected = plain_head(*theirs, targets, mask, prior)
    torch.testing.assert_close(loss, expected, atol=1e-6, rtol=1e-6)
    (2.5 * loss).backward()
    (2.5 * expected).backward()
    for mine, wanted in zip(ours, theirs, strict=True):
        assert (mine.grad is None) == (wanted.grad is None)
        if wanted.grad is not None:
            torch.testing.assert_close(mine.grad, wanted.grad, atol=1e-6, rtol=1e-5)


def test_head_and_loss_in_one_follow_autocast() -> None:
    *both, targets, mask, prior = head_case()
    ours, theirs = ([one.clone().requires_grad_() for one in both] for _ in range(2))
    places = Delay(delays=None).layout(3, 5).places()
    with torch.autocast("cpu", torch.bfloat16):
        loss = head_cross_entropy(*ours, targets, mask, places, lambda k: prior[:, k])
        expected = plain_head(*theirs, targets, mask, prior)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, expected, atol=1e-6, rtol=1e-6)
    loss.backward()
    expected.backward()
    for mine, wanted in zip(ours, theirs, strict=True):
        assert mine.grad.dtype == torch.float32
        torch.testing.assert_close(mine.grad, wanted.grad, atol=2e-3, rtol=2e-2)
