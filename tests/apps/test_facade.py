"""Training by calling a function."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from disco.apps import train
from disco.apps.facade import train_music_model
from disco.apps.runs import Run
from disco.core.record import read_manifest
from disco.errors import DiscoError
from tests.composing import composed_config
from tests.tiny_runs import TINY_SYMBOLIC

TINY = [word for word in TINY_SYMBOLIC if not word.startswith(("model=", "data.batch_size"))]


@pytest.mark.slow
def test_a_call_and_a_command_line_end_in_the_same_weights(
    symbolic_run: Path, corner: list[str], tmp_path: Path
) -> None:
    assert symbolic_run.is_dir(), "the corner of the corpus is rendered by now"
    root = Path(corner[0].partition("=")[2])
    run = train_music_model("symbolic", root, tmp_path / "called", 8, 1e-3, 2, "cpu", overrides=TINY)
    pieces = sum(record.split == "train" for record in read_manifest(root / "metadata" / "manifest.jsonl"))
    words = [
        "model=symbolic", "data=audio", f"data.root={root}", "data.batch_size=8", "optim.lr=1e-3",
        "optim.weight_decay=0.01", "optim.schedule.warmup=0", "optim.schedule.final=1e-3",
        f"trainer.max_steps={2 * math.ceil(pieces / 8)}", *TINY,
    ]  # fmt: skip
    train.main(composed_config("train", words, tmp_path / "typed"))
    called, typed = (load_file(Run(folder).weights) for folder in (run, tmp_path / "typed"))
    assert called.keys() == typed.keys()
    assert all(torch.equal(called[name], typed[name]) for name in typed)


def test_a_folder_that_was_not_prepared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DiscoError, match="was not prepared"):
        train_music_model("symbolic", tmp_path, tmp_path / "run", device="cpu")
