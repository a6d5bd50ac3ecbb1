"""The lean cross-entropy is PyTorch's, in value and gradient."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from disco.nets import cross_entropy as module
from disco.nets.cross_entropy import cross_entropy
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
