"""Has what text encoders say to the captions of a data set on its disk, so that it is asked for once."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from disco.conditioners.caption_cache import CaptionCache, Fingerprinted
from disco.conditioners.text import Text
from disco.data.audio import ManifestData

if TYPE_CHECKING:
    from torch import nn

    from disco.core.datamodule import MusicData

FOLDER = "multimodal"  # of a data set
PATIENCE = 3.0  # seconds without a word


def read_ahead(module: nn.Module, data: MusicData) -> int:
    """Ask the text encoders of a model what they say to the captions of its data; return how many were new.

    Data that is still to be made is not looked at. A folder that cannot be written to is told and done
    without: the captions are then read while training, as they come.
    """
    texts = [part for part in module.modules() if isinstance(part, Text)]
    if not texts or not isinstance(data, ManifestData) or not data.manifest.is_file():
        return 0
    captions = [record.caption for split in ("train", "val", "test") for record in data.records(split)]
    try:
        return sum(part.read_ahead(data.root / FOLDER, captions, _Slowly().report) for part in texts)
    except OSError as error:
        logging.getLogger(__name__).warning("captions are not kept in %s: %s", data.root, error)
        return 0


def keep_captions(
    encoder: Fingerprinted, root: Path, captions: Iterable[str | None], report: Callable[..., None]
) -> int:
    """Fill the caption cache of one data set while it is prepared; return how many captions were new."""
    return CaptionCache(root / FOLDER, encoder).fill(spoken(captions), report)


def spoken(captions: Iterable[str | None]) -> list[str]:
    """Return each caption that says something once, in their order."""
    return list(dict.fromkeys(one for one in captions if one and one.strip()))


class _Slowly:
    """Says how far it is where that takes longer than anybody waits without a word."""

    def __init__(self) -> None:
        self.told = time.monotonic()

    def report(self, done: int, total: int) -> None:
        if time.monotonic() > self.told + PATIENCE:
            self.told = time.monotonic()
            sys.stdout.write(f"captions read by the text encoder: {done:,} of {total:,}\n")
            sys.stdout.flush()
