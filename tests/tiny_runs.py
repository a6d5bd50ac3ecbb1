"""Overrides for runs of a few steps."""

from __future__ import annotations

TINY = [
    "scale.width=32",
    "scale.depth=2",
    "scale.heads=2",
    "data.batch_size=4",
    "data.val_items=4",
    "callbacks=[checkpoint,history]",
    "logger=none",
    "trainer.precision=32-true",
]
TINY_SYMBOLIC = ["model=symbolic", "model.length=64", *TINY]
TINY_CODEC = [
    "model=autoencoder",
    "model.encoder.width=32",
    "model.decoder.width=32",
    "model.decoder.head.steps=2",
    "model.quantizer.cardinality=16",
    "model.quantizer.restarts=[2]",
    *TINY,
]
TINY_MUSICGEN = ["model=musicgen", "model.seconds=4.0", "conditioner=[tags,beats]", *TINY]
