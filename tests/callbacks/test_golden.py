"""Twenty steps of the smallest language model give the losses that they gave before."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from disco.apps import train
from tests.tiny_runs import TINY_SYMBOLIC

GOLDEN = Path(__file__).with_name("golden_losses.json")


def version() -> str:
    return ".".join(torch.__version__.split("+")[0].split(".")[:2])


@pytest.mark.slow
def test_losses_are_those_of_the_golden_file(composed, corner: list[str], monkeypatch) -> None:
    golden = json.loads(GOLDEN.read_text())
    if version() not in golden and "DISCO_GOLDEN" not in os.environ:
        pytest.skip(f"no golden losses of torch {version()}: DISCO_GOLDEN=write adds them")
    words = [*TINY_SYMBOLIC, *corner, "trainer.max_steps=20", "callbacks=[history]", "seed=0"]
    cfg = composed("train", *words, "callbacks.history.every_steps=1", "trainer.log_every_n_steps=1")
    train.main(cfg)
    rows = [json.loads(line) for line in (Path(cfg.run_dir) / "history.jsonl").read_text().splitlines()]
    losses = [row["train/loss"] for row in rows if "train/loss" in row]
    assert len(losses) == 20
    if os.environ.get("DISCO_GOLDEN") == "write":
        golden[version()] = [round(loss, 6) for loss in losses]
        GOLDEN.write_text(json.dumps(golden, indent=1) + "\n")
    assert losses == pytest.approx(golden[version()], rel=1e-3), "if this is meant: DISCO_GOLDEN=write"
