"""L2-SP is half a spring: no force at the start, and a pull that grows with the distance."""

from __future__ import annotations

import pytest
import torch
from omegaconf import DictConfig

from disco.methods.l2sp import Distance
from tests.contracts.models import FAMILIES, batch_for, build_tiny


def test_pull_is_the_way_back_to_the_start(composed) -> None:
    cfg: DictConfig = composed("train", *FAMILIES["symbolic"])
    module = build_tiny(cfg)
    batch = batch_for(module)
    out = module(batch)
    term = Distance(module, weight=0.5)
    assert term(out, batch).item() == 0.0
    with torch.no_grad():
        module.head.weight += 0.25
    distance = term(out, batch)
    assert distance.item() == pytest.approx(0.5 * 0.25**2 * module.head.weight.numel(), rel=1e-5)
    distance.backward()
    assert torch.allclose(module.head.weight.grad, torch.full_like(module.head.weight, 0.25))


def test_frozen_weights_are_not_held(composed) -> None:
    module = build_tiny(composed("train", *FAMILIES["symbolic"]))
    module.requires_grad_(False)
    module.head.requires_grad_(True)
    assert [tuple(buffer.shape) for buffer in Distance(module, weight=1.0).buffers()] == [
        tuple(module.head.weight.shape)
    ]
