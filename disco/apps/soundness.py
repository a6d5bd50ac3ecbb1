"""Refuses to train on stored files whose bytes are no longer those that a preparation wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from disco.errors import DiscoError
from disco.prepare.verify import damaged_since

if TYPE_CHECKING:
    from disco.core.datamodule import MusicData

SHOWN = 3


def check_soundness(data: MusicData) -> None:
    """Compare every stored file with its checksum, once for as long as it stays as it is.

    Raises:
        DiscoError: names files that are damaged or gone, and what they were made from.
    """
    from disco.data.audio import ManifestData

    if not isinstance(data, ManifestData) or not data.manifest.is_file():
        return
    found = damaged_since(data.root)
    if found:
        shown = "; ".join(f"{name}: {problem.reason}" for name, problem in list(found.items())[:SHOWN])
        more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise DiscoError(
            f"{data.root}: {shown}{more}",
            do="delete what is damaged and run the same preparation again: it makes what is missing",
        )
