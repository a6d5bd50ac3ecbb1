"""The command that comes after a data set, so that it can be copied and run as it stands."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from disco.core.record import Record


def train_on(root: Path, records: Sequence[Record]) -> str:
    """Return the command that trains on a folder; that pieces lack captions must be said to be meant."""
    words = ["python", "train.py", "data=audio", f"data.root={root}"]
    if any(record.split == "train" and not (record.caption or "").strip() for record in records):
        words.append("data.allow_missing=[caption]")
    return shlex.join(words)
