"""Text files that appear whole or not at all, and what is in a file. Imports no torch: workers read this."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from disco.drafts import drafted

LAST, BEFORE = "last.ckpt", "previous.ckpt"  # the newest checkpoint of a run, and the one before


def write_text(path: Path, text: str) -> None:
    """Write a text file by way of a draft beside it."""
    with drafted(path) as draft:
        draft.write_text(text, encoding="utf-8")


def link(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the disk knows no second names; replaces `target`."""
    with drafted(target) as draft:
        draft.unlink(missing_ok=True)
        try:
            os.link(source, draft)
        except OSError:
            shutil.copy2(source, draft)


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
