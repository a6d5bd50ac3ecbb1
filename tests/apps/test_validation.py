"""What validation says can be compared from one round to the next, and tells of overfitting."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from disco.apps import train
from disco.apps.parts import build_data, build_module
from tests.composing import composed_config
from tests.tiny_runs import TINY_CODEC, TINY_SYMBOLIC


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [[*TINY_SYMBOLIC, "model.dropout=0.2"], TINY_CODEC], ids=["symbolic", "codec"]
)
def test_the_same_weights_are_judged_alike_to_the_bit(words: list[str], corner: list[str], composed) -> None:
    cfg = composed("train", *words, *corner, "callbacks=[]", "logger=none")
    module = build_module(cfg, training=True)
    data = build_data(cfg).serve(module.view)
    rounds = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        (measures,) = train.build_trainer(cfg, module).validate(module, datamodule=data, verbose=False)
        rounds.append(measures)
    assert rounds[0]["val/loss"] > 0
    assert rounds[0] == rounds[1]


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "rings"), [(1e-2, True), (1e-5, False)])
def test_a_model_that_learns_a_few_pieces_by_heart_sets_off_the_alarm(
    rate: float, rings: bool, corner: list[str], tmp_path: Path, capfd
) -> None:
    words = [
        *TINY_SYMBOLIC, *corner, "data_fraction=0.3", "augment=[]", "callbacks=[overfit_alarm]",
        "trainer.max_steps=80", "trainer.val_check_interval=8", f"optim.lr={rate}",
        "optim.schedule.warmup=0",
    ]  # fmt: skip
    train.main(composed_config("train", words, tmp_path / "run"))
    told = [line for line in capfd.readouterr().err.splitlines() if line.startswith("overfit_alarm: val")]
    assert len(told) == rings
