"""Training from Python, for those who call functions: the same run as the command line's."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from disco.apps.composing import compose_run
from disco.apps.sweep.plugins import register_plugins
from disco.core.record import MANIFEST, read_manifest
from disco.errors import DiscoError

FLOOR = 1e-6  # where the cosine ends


def train_music_model(
    model_type: str,
    dataset_path: str | os.PathLike[str],
    output_dir: str | os.PathLike[str],
    batch_size: int = 16,
    learning_rate: float = 1e-4,
    num_epochs: int = 50,
    device: Literal["cpu", "cuda"] = "cuda",
    *,
    overrides: Sequence[str] = (),
) -> Path:
    """Train a model family on a prepared folder, as `python train.py model=… data=audio data.root=…` does.

    AdamW with weight decay 0.01 and a cosine down to 1e-6; validated, logged and saved as any run.

    Args:
        model_type: an option of `model`, such as "musicgen" or "symbolic".
        dataset_path: a folder that `scripts/prepare.py` made.
        output_dir: where the run is written.
        batch_size: items per step.
        learning_rate: the highest.
        num_epochs: passes; one takes a crop of every training piece.
        device: "cuda" for one GPU.
        overrides: more words as on the command line, which win.

    Returns:
        The folder of the run.

    Raises:
        DiscoError: a choice that cannot be; names the key.
    """
    from disco.apps import train

    root = Path(dataset_path).resolve()
    words = [
        f"model={model_type}", "data=audio", f"data.root='{root}'", f"data.batch_size={batch_size}",
        "optim=adamw", f"optim.lr={learning_rate}", "optim.weight_decay=0.01",
        "optim.schedule.warmup=0", f"optim.schedule.final={FLOOR / learning_rate}",
        f"trainer={'gpu' if device == 'cuda' else 'cpu'}",
        f"trainer.max_steps={num_epochs * math.ceil(_pieces(root) / batch_size)}",
        *overrides,
    ]  # fmt: skip
    register_plugins()
    train.main(compose_run("train", words, Path(output_dir).resolve()))
    return Path(output_dir)


def _pieces(root: Path) -> int:
    path = root / MANIFEST
    if not path.is_file():
        raise DiscoError(f"{root} was not prepared: {MANIFEST} is missing", do="scripts/prepare.py makes it")
    return max(1, sum(record.split == "train" for record in read_manifest(path)))
