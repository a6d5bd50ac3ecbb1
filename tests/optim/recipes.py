"""Optimisers with settings that a test can follow by hand."""

from __future__ import annotations

from typing import Any

from disco.optim.adamw import AdamW
from disco.optim.lion import Lion
from disco.optim.muon import Muon
from disco.optim.recipe import OptimRecipe
from disco.optim.schedules import Constant
from disco.optim.sgd import SGD

OWN: dict[type[OptimRecipe], dict[str, Any]] = {
    AdamW: {"betas": [0.9, 0.95], "eps": 1e-8, "fused": True},
    Lion: {"betas": [0.9, 0.99]},
    SGD: {"momentum": 0.5, "nesterov": True},
    Muon: {"momentum": 0.95, "iterations": 5, "betas": [0.9, 0.95], "eps": 1e-8, "fused": True},
}


def recipe(kind: type[OptimRecipe], **settings: Any) -> OptimRecipe:
    """A recipe at a constant rate without decay, unless told otherwise."""
    plain = {
        "lr": 0.01,
        "weight_decay": 0.0,
        "clip_norm": 1.0,
        "layer_decay": 1.0,
        "site_rates": None,
        "schedule": Constant(warmup=0.0),
    }
    return kind(**{**plain, **OWN[kind], **settings})
